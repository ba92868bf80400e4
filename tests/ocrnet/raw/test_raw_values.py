"""Which stored values are ids and which are colours: what the params write decides, not how a tool saved a file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ocrnet.errors import DataError, ParamsError
from ocrnet.raw.label_maps import label_rules, to_class_ids
from ocrnet.raw.raw_values import palettes_apart, read_values
from tests.ocrnet.data.raw_files import write_png
from tests.ocrnet.raw.raw_sets import make_params, save

TRUTH = np.array([[0, 1, 1], [0, 0, 1]], dtype=np.uint8)
BLACK_WHITE = {"0,0,0": "plate", "255,255,255": "scratch"}
Written = dict[str, Any]


def class_ids(path: Path, **data: Any) -> list[list[int]]:
    rules = label_rules(make_params(**data).data)
    ids: list[list[int]] = to_class_ids(read_values(path, rules), rules).tolist()
    return ids


def palette_file(path: Path, indexes: Any, *colours: int, **options: Any) -> Path:
    image = Image.fromarray(np.asarray(indexes, dtype=np.uint8))
    image.putpalette(list(colours))
    image.save(path, **options)
    return path


def black_and_white(folder: Path, kind: str) -> Path:
    """Write TRUTH as black and white, as tools save such a picture."""
    path, levels = folder / "a.png", TRUTH * np.uint8(255)
    if kind == "RGB":
        return save(path, np.repeat(levels[..., None], 3, axis=2))
    if kind == "gray":
        return save(path, levels)
    if kind == "palette, black first":
        return palette_file(path, TRUTH, 0, 0, 0, 255, 255, 255)
    if kind == "palette, white first":
        return palette_file(path, 1 - TRUTH, 255, 255, 255, 0, 0, 0)
    bits = int(kind.split()[0])
    return write_png(path, TRUTH * ((1 << bits) - 1), bits=bits, colour_type=0)


KINDS = (
    "RGB", "gray", "palette, black first", "palette, white first", "1 bit", "2 bits", "4 bits",
)  # fmt: skip
WRITTEN: list[Written] = [
    {"label_map": BLACK_WHITE},
    {"classes": ["plate", "scratch"], "palette": [[0, 0, 0], [255, 255, 255]]},
    {"label_map": {**BLACK_WHITE, 7: "pit"}},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("written", WRITTEN)
def test_where_colours_are_written_any_coding_of_them_is_the_same(
    written: Written, kind: str, tmp_path: Path
) -> None:
    assert class_ids(black_and_white(tmp_path, kind), **written) == TRUTH.tolist()


def test_where_none_are_written_indexes_and_levels_are_ids(tmp_path: Path) -> None:
    path = palette_file(tmp_path / "a.png", TRUTH, 9, 9, 9, 8, 8, 8)
    assert class_ids(path) == TRUTH.tolist()
    assert class_ids(black_and_white(tmp_path, "gray"), label_map={255: "pit"})[0] == [0, 2, 2]
    assert class_ids(black_and_white(tmp_path, "1 bit")) == TRUTH.tolist()
    stored = np.array([[0, 1, 2, 3]])
    write_png(tmp_path / "b.png", stored, bits=2, colour_type=0)
    assert class_ids(tmp_path / "b.png", label_map={3: "ignore"}) == [[0, 1, 2, 255]]


def test_gray_ids_beside_a_palette_are_ids_where_the_label_map_names_some(tmp_path: Path) -> None:
    palette = [[0, 0, 0], [255, 0, 0], [0, 255, 0]]
    path = save(tmp_path / "a.png", np.array([[0, 1, 2, 9]], dtype=np.uint8))
    assert class_ids(path, palette=palette, label_map={9: "ignore"}) == [[0, 1, 2, 255]]
    with pytest.raises(DataError, match=r"E104"):
        class_ids(path, palette=palette)


def test_indexes_that_contradict_their_colours_are_refused(tmp_path: Path) -> None:
    """An optimiser sorted the VOC palette: index 0 is now that of class 1."""
    path = palette_file(tmp_path / "a.png", 1 - TRUTH, 128, 0, 0, 0, 0, 0)
    with pytest.raises(DataError, match=r"E121 .*a.png: value 0 .*128,0,0.*data.label_map"):
        class_ids(path)
    voc = {"0,0,0": "plate", "128,0,0": "scratch"}
    assert class_ids(path, label_map=voc) == TRUTH.tolist()
    assert class_ids(path, label_map={0: "scratch", 1: "plate"}) == TRUTH.tolist()


def test_a_value_that_is_an_id_and_a_colour_of_two_classes_is_refused(tmp_path: Path) -> None:
    more: list[dict[Any, str]] = [{255: "pit"}, {" 255,255, 255": "pit"}]
    for number, keys in enumerate(more):
        with pytest.raises(ParamsError, match=r"data.label_map: .*255"):
            class_ids(tmp_path / f"{number}.png", label_map={**BLACK_WHITE, **keys})
    with pytest.raises(DataError, match=r"E121 .*value 1 "):
        class_ids(black_and_white(tmp_path, "1 bit"), label_map={**BLACK_WHITE, 1: "pit"})


def test_what_has_no_colour_is_refused_where_colours_are_written(tmp_path: Path) -> None:
    deep = save(tmp_path / "a.png", TRUTH.astype(np.uint16))
    with pytest.raises(DataError, match=r"E121 .*uint16.*data.label_map"):
        class_ids(deep, label_map=BLACK_WHITE)
    one = [(b"PLTE", bytes(3))]
    beyond = write_png(tmp_path / "b.png", TRUTH * 7, bits=8, colour_type=3, chunks=one)
    with pytest.raises(DataError, match=r"E121 .*index 7"):
        class_ids(beyond, label_map=BLACK_WHITE)
    clear = palette_file(tmp_path / "c.png", TRUTH, 0, 0, 0, 255, 255, 255, transparency=0)
    with pytest.raises(DataError, match=r"E121 .*transparent"):
        class_ids(clear, label_map=BLACK_WHITE)
    assert class_ids(clear) == TRUTH.tolist()


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_a_negative_id_is_mapped_as_any_other(dtype: type, tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", np.array([[-1, 0, 1]]).astype(dtype))
    with pytest.raises(DataError, match=r"E101 .* -1"):
        class_ids(path)
    for key in (-1, "-1"):
        assert class_ids(path, label_map={key: "ignore"}) == [[255, 0, 1]]


def test_gray_colours_of_a_webp_are_no_ids(tmp_path: Path) -> None:
    gray = np.repeat(TRUTH[..., None], 3, axis=2)
    path = save(tmp_path / "a.webp", gray, lossless=True)
    with pytest.raises(DataError, match=r"E104"):
        class_ids(path)
    named = {"0,0,0": "plate", "1,1,1": "scratch"}
    assert class_ids(path, label_map=named) == TRUTH.tolist()


def test_the_palette_that_differs_from_most_is_found() -> None:
    usual = {0: (0, 0, 0), 1: (9, 9, 9)}
    swapped = {1: (0, 0, 0), 0: (9, 9, 9)}
    assert palettes_apart([usual, usual, swapped, {0: (0, 0, 0)}]) == [False, False, True, False]
    # Other colours, and a colour that stands twice, contradict nobody.
    assert not any(
        palettes_apart([usual, {0: (1, 1, 1), 1: (2, 2, 2)}, {0: (9, 9, 9), 2: (9, 9, 9)}])
    )
