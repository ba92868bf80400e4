"""The classes that label maps show: ids, colours, masks and numbered objects."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ocrnet.auto_config.class_table import NamedClass, read_class_table
from ocrnet.auto_config.classes import ClassChoice, choose_classes
from ocrnet.auto_config.label_values import read_label_values
from ocrnet.errors import DataError
from tests.ocrnet.raw.raw_sets import save

SIZE = (24, 24)


def written(folder: Path, *maps: npt.NDArray[np.generic]) -> list[Path]:
    return [save(folder / f"m{i}.png", pixels) for i, pixels in enumerate(maps)]


def chosen(
    folder: Path, *maps: npt.NDArray[np.generic], table: list[NamedClass] | None = None
) -> ClassChoice:
    return choose_classes(read_label_values(written(folder, *maps)), table or [])


def with_values(*values: int, dtype: type = np.uint8) -> npt.NDArray[np.generic]:
    """Return a label map with the values as columns; the first fills the rest."""
    pixels: npt.NDArray[np.generic] = np.full(SIZE, values[0], dtype=dtype)
    for place, value in enumerate(values):
        pixels[:, place] = value
    return pixels


def scattered(values: list[int]) -> npt.NDArray[np.generic]:
    """Return a label map in which each class above 0 has two pieces."""
    pixels = np.zeros(SIZE, dtype=np.uint8)
    for place, value in enumerate(values):
        pixels[place, 2] = pixels[place, 20] = value
    return pixels


def squares(count: int) -> npt.NDArray[np.uint16]:
    """Return objects numbered from 1, each a square of its own."""
    pixels = np.zeros(SIZE, dtype=np.uint16)
    for number in range(1, count + 1):
        y, x = divmod(number - 1, 6)
        pixels[4 * y : 4 * y + 2, 4 * x : 4 * x + 2] = number
    return pixels


def test_ids_from_0_are_their_own_classes_and_255_stays_ignored(tmp_path: Path) -> None:
    found = chosen(tmp_path, with_values(0, 1, 2, 3), with_values(0, 2, 255))
    assert found.classes == ("background", "class_1", "class_2", "class_3")
    assert found.label_map == {}
    assert "255 is ignored" in found.reason


def test_255_is_the_object_of_a_mask_of_black_and_white(tmp_path: Path) -> None:
    found = chosen(tmp_path, with_values(0, 255), with_values(0))
    assert found.classes == ("background", "object")
    assert found.label_map == {0: "background", 255: "object"}


def test_three_gray_levels_are_three_classes_the_white_one_too(tmp_path: Path) -> None:
    assert len(chosen(tmp_path, with_values(0, 128, 255)).classes) == 3


def test_ids_with_gaps_are_named_one_by_one(tmp_path: Path) -> None:
    found = chosen(tmp_path, with_values(4, 7, 11))
    assert found.label_map == {4: "class_4", 7: "class_7", 11: "class_11"}


def test_numbered_objects_are_one_class_however_many_there_are(tmp_path: Path) -> None:
    found = chosen(tmp_path, squares(7), squares(12), squares(30))
    assert found.is_instances
    assert found.label_map == {"0": "background", "other": "object"}


def test_classes_with_several_pieces_are_no_numbered_objects(tmp_path: Path) -> None:
    found = chosen(
        tmp_path, scattered([1, 2, 3, 4]), scattered([1, 2, 3, 4, 5]), scattered([1, 2, 3])
    )
    assert not found.is_instances
    assert len(found.classes) == 6


def test_one_piece_of_each_class_in_every_image_is_no_numbering(tmp_path: Path) -> None:
    """A face has two eyes, a nose and a mouth in each image: the same number everywhere is one of classes."""
    found = chosen(tmp_path, squares(4), squares(4), squares(4))
    assert not found.is_instances
    assert len(found.classes) == 5


def test_colours_are_classes_with_black_first_and_the_edge_of_voc_ignored(tmp_path: Path) -> None:
    pixels = np.zeros((*SIZE, 3), dtype=np.uint8)
    pixels[:2], pixels[2:12], pixels[12] = (0, 0, 255), (9, 8, 7), (224, 224, 192)
    found = chosen(tmp_path, pixels)
    assert found.palette == ((0, 0, 0), (9, 8, 7), (0, 0, 255))
    assert found.label_map["224,224,192"] == "ignore"
    assert found.label_map["9,8,7"] == "class_1"


def test_palettes_that_agree_give_ids_their_colours(tmp_path: Path) -> None:
    for place in range(2):
        image = Image.fromarray(with_values(0, 1, 2).astype(np.uint8))
        image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
        image.save(tmp_path / f"p{place}.png")
    found = choose_classes(read_label_values(sorted(tmp_path.glob("p*.png"))))
    assert found.palette == ((0, 0, 0), (200, 0, 0), (0, 200, 0))
    assert found.label_map == {0: "background", 1: "class_1", 2: "class_2"}


def test_palettes_in_another_order_are_read_by_colour(tmp_path: Path) -> None:
    for place, palette in enumerate(
        ([0, 0, 0, 200, 0, 0, 0, 200, 0], [0, 0, 0, 0, 200, 0, 200, 0, 0])
    ):
        image = Image.fromarray(with_values(0, 1, 2).astype(np.uint8))
        image.putpalette(palette)
        image.save(tmp_path / f"p{place}.png")
    found = choose_classes(read_label_values(sorted(tmp_path.glob("p*.png"))))
    assert found.label_map == {}
    assert set(found.palette) == {(0, 0, 0), (200, 0, 0), (0, 200, 0)}


def test_a_class_table_names_ids_and_keeps_classes_that_do_not_occur(tmp_path: Path) -> None:
    table = [NamedClass(name) for name in ("sky", "road", "car", "bus")]
    assert chosen(tmp_path, with_values(0, 1, 2), table=table).classes == (
        "sky",
        "road",
        "car",
        "bus",
    )
    found = chosen(tmp_path, with_values(0, 1, 9), table=table)
    assert "sky" not in found.classes


def test_class_tables_are_read_in_both_forms(tmp_path: Path) -> None:
    assert read_class_table(tmp_path) == []
    (tmp_path / "class_dict.csv").write_text("name, r, g, b\nsky, 1, 2, 3\nroad, 4, 5, 6\n")
    assert read_class_table(tmp_path) == [
        NamedClass("sky", (1, 2, 3)),
        NamedClass("road", (4, 5, 6)),
    ]
    (tmp_path / "Classes.txt").write_text("sky\nroad\n\n")
    assert read_class_table(tmp_path) == [NamedClass("sky"), NamedClass("road")]
    (tmp_path / "Classes.txt").write_text("sky\nsky\n")
    with pytest.raises(
        DataError, match=r"Classes\.txt: the class table cannot be used: .*duplicate"
    ):
        read_class_table(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,red,g,b\nsky,1,2,3\n", "found the columns name, red, g, b, missing are r"),
        (
            "name,r,g,b\nsky,1,2,x\nroad,4,5,6\n",
            "sky: found 'x' in its colour, allowed are 0 to 255",
        ),
        ("name,r,g,b\nsky,1,2,256\nroad,4,5,6\n", "sky: found '256' in its colour"),
        ("name,r,g,b\nsky,1,2,3\nroad,1,2\n", "road: found '' in its colour"),
        ("name,r,g,b\nsky,1,2,3\nroad,1,2,3\n", "sky and road have the same colour, 1,2,3"),
        ("name,r,g,b\nsky,1,2,3\n", r"found one class, 'sky'.*\[background, sky\]\. Correct it"),
    ],
)
def test_a_class_table_with_a_slip_is_refused_with_the_slip(
    tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "class_dict.csv").write_text(text)
    with pytest.raises(
        DataError, match=rf"class_dict\.csv: the class table cannot be used: {words}"
    ):
        read_class_table(tmp_path)


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros(SIZE, np.uint8), r"E102 all label maps show one class \(0\)"),
        (
            np.arange(576, dtype=np.uint16).reshape(SIZE) * 2,
            "E101 label maps hold 576 ids from 0 to 1150",
        ),
    ],
)
def test_label_maps_without_classes_are_refused(
    tmp_path: Path, pixels: npt.NDArray[np.generic], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        chosen(tmp_path, pixels)


def test_one_class_beside_ignored_pixels_is_one_class(tmp_path: Path) -> None:
    edges = np.zeros((*SIZE, 3), dtype=np.uint8)
    edges[:4] = (224, 224, 192)
    with pytest.raises(DataError, match=r"one class \(0,0,0\)"):
        chosen(tmp_path, edges)
    void = tmp_path / "void.tif"
    Image.fromarray(np.full(SIZE, -1, dtype=np.int32)).save(void)
    with pytest.raises(DataError, match="nothing but ignored pixels"):
        choose_classes(read_label_values([void]))


def test_a_jpeg_label_map_is_refused_before_its_values_are_taken_for_classes(
    tmp_path: Path,
) -> None:
    path = save(tmp_path / "m.jpg", with_values(0, 1))
    with pytest.raises(DataError, match="E105"):
        read_label_values([path])
