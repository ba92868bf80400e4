"""One bad set per finding, driven through the stage's real entry with a real Great Expectations suite."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.base_params import write_params
from tests.ocrnet.data.raw_files import write_tiff
from tests.ocrnet.raw.raw_sets import CLASSES, noise, save, stripes, write_lists, write_pairs

pytestmark = [
    pytest.mark.tools,
    pytest.mark.filterwarnings("ignore"),  # those of Great Expectations' own imports
]
COUNT = 8
Break = Callable[[Path], object]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good raw set below `raw/` as the current one."""
    write_lists(tmp_path / "raw", write_pairs(tmp_path / "raw", COUNT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_validate(**sections: Any) -> int:
    from pipelines._stage.run import run_stage
    from pipelines.validate import validate

    data = {
        "source": "folder", "path": "raw", "classes": list(CLASSES), "crop_size": [12, 16],
        **sections.pop("data", {}),
    }  # fmt: skip
    small = {
        "model": {"arch": "fcn", "backbone": "resnet18"},
        "synthesize": {"operations": {"flip": 1.0}},
        "select": {"calibrate_on": "train"},  # the one image of val has 192 pixels
    }
    write_params(Path("params.yaml"), {"data": data, **small, **sections})
    return run_stage(validate, "validate", argv=[])


def mask(name: str, pixels: Any) -> Break:
    return lambda raw: save(raw / "masks" / f"{name}.png", pixels)


def image(name: str, pixels: Any) -> Break:
    return lambda raw: save(raw / "images" / f"{name}.png", pixels)


def changed(value: Any) -> Any:
    """Return stripes with 2 pixels of another value, the first at x=14 y=3."""
    pixels = stripes() if np.isscalar(value) else colours()
    pixels[3, 14:] = value
    return pixels


def colours() -> Any:
    return np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], dtype=np.uint8)[stripes()]


def only_0_and_255(raw: Path) -> None:
    for path in (raw / "masks").iterdir():
        save(path, np.where(stripes() == 1, np.uint8(255), np.uint8(0)))


def masks_as_jpeg(raw: Path) -> None:
    for path in (raw / "masks").iterdir():
        save(path.with_suffix(".jpg"), stripes() * np.uint8(100))
        path.unlink()


def turned(raw: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (raw / "images" / "a2.png").unlink()
    save(raw / "images" / "a2.jpg", noise(2), exif=exif)
    save(raw / "masks" / "a2.png", stripes((16, 12)))


def sixteen_bits(raw: Path) -> None:
    for path in (raw / "images").iterdir():
        pixels = noise(int(path.stem[1:]), (12, 16)).astype(np.uint16) * 16
        pixels[0, :2] = (0, 4095)
        save(path, pixels)


def cut(path: str) -> Break:
    def halve(raw: Path) -> None:
        content = (raw / path).read_bytes()
        (raw / path).write_bytes(content[: len(content) // 2])

    return halve


def no_masks(raw: Path) -> None:
    (raw / "masks").rename(raw / "truth")
    (raw / "masks").mkdir()


def sorted_palettes(raw: Path) -> None:
    """An optimiser put white first in one of the black and white palettes."""
    for path in (raw / "masks").iterdir():
        swapped = path.stem == "a3"
        image_ = Image.fromarray((stripes() > 0) ^ np.bool_(swapped)).convert("L").point(bool)
        image_.putpalette([255] * 3 + [0] * 3 if swapped else [0] * 3 + [255] * 3)
        image_.save(path)


def turned_mask(raw: Path) -> None:
    flag = Image.Exif()
    flag[0x0112] = 3
    (raw / "masks" / "a2.png").unlink()
    save(raw / "masks" / "a2.tif", stripes(), exif=flag)


def negative_void(raw: Path) -> None:
    (raw / "masks" / "a3.png").unlink()
    pixels = changed(34).astype(np.int32)
    pixels[pixels == 34] = -1
    save(raw / "masks" / "a3.tif", pixels)


def half_transparent(raw: Path) -> None:
    alpha = np.full((12, 16, 1), 255, np.uint8)
    alpha[:, :4] = 0
    save(raw / "images" / "a4.png", np.concatenate([noise(4), alpha], axis=2))


def four_bands(raw: Path) -> None:
    (raw / "images" / "a4.png").unlink()
    samples = np.concatenate([noise(4), noise(9)[..., :1]], axis=2)
    write_tiff(raw / "images" / "a4.tif", samples, bits=8, photometric=2, tags={338: [0]})


def without_pits(raw: Path) -> None:
    for name in (raw / "splits" / "train.txt").read_text().split():
        save(raw / "masks" / f"{name}.png", np.minimum(stripes(), 1))


# What breaks the set, the params besides, the code, and its line.
BAD: dict[str, tuple[Break, dict[str, Any], str, str]] = {
    "an id of no class": (
        mask("a3", changed(34)), {}, "E101",
        r"masks/a3.png has value 34 \(2 px, first at x=14 y=3\) but data.classes has 3 entries \(0-2\) and "
        r"ignore_index is 255. Add it to data.label_map or data.classes.",
    ),
    "a negative id": (
        negative_void, {}, "E101", r"masks/a3.tif has value -1 \(2 px, first at x=14 y=3\)"
    ),
    "an id that the label map leaves out": (
        lambda raw: None, {"label_map": {1: "plate", 2: "scratch"}}, "E101",
        r"masks/a0.png has value 0 \(72 px, first at x=0 y=0\) which data.label_map does not name, .*"
        r"class 0 'plate'. Add 0 to data.label_map.",
    ),
    "0 and 255 alone": (
        only_0_and_255, {}, "E102",
        r"All 8 masks contain only \{0, 255\}. 255 is ignore_index, so class 1 'scratch' would never be learned. "
        r"Use data.label_map: \{255: scratch\}.",
    ),
    "a colour of no class": (
        mask("a1", changed((128, 1, 0))), {}, "E104",
        r"masks/a1.png is RGB with 4 colours; \(128,1,0\) is in no palette entry \(nearest is 'scratch' \(128,0,0\); "
        r"2 px, first at x=14 y=3\). .*anti-aliased .*JPEG.* data.label_map",
    ),
    "JPEG masks": (
        masks_as_jpeg, {}, "E105",
        r"8 masks are JPEG; compression changes class ids \(found \d+ values\). Re-export as PNG: masks/a0.jpg, ",
    ),
    "gray ids beside a palette": (
        lambda raw: None, {"palette": [[0, 0, 0], [200, 0, 0], [0, 200, 0]]}, "E104",
        r"masks/a0.png is a gray file.*\(1,1,1\) is in no palette entry.*If 1 is an id, .*data.label_map",
    ),
    "sorted palettes": (
        sorted_palettes, {}, "E106", r"1 masks are palette files .*: masks/a3.png. Name the colours in data.label_map"
    ),
    "another size": (
        mask("a4", stripes((12, 15))), {}, "E107", r"a4: image 16x12, mask 15x12\. "
    ),
    "a turned image": (
        turned, {"exif": "ignore"}, "E107",
        r"a2: image 16x12, mask 12x16 \(transposed: EXIF orientation 6 on the image\?\)",
    ),
    "a rotation flag": (
        turned, {}, "E108",
        r"1 images have a rotation flag \(EXIF orientation 6\): images/a2.jpg. Set data.exif to apply or ignore. "
        r"1 masks have the rotated size",
    ),
    "a rotation flag of a mask": (
        turned_mask, {}, "E108", r"1 masks have a rotation flag \(EXIF orientation 3\): masks/a2.tif."
    ),
    "four bands": (
        four_bands, {}, "E110", r"1 images have 4 bands.*: images/a4.tif. Set data.extra_bands to drop"
    ),
    "transparent pixels": (
        half_transparent, {}, "E111", r"1 images have transparent pixels \(25.0%.*: images/a4.png. Set data.alpha"
    ),
    "16 bits": (
        sixteen_bits, {}, "E109",
        r"8 images \(first images/a0.png\) are uint16, range 0-4095; set data.value_range: \[0, 4095\].",
    ),
    "a picture in two splits": (
        image("a7", noise(2)), {}, "E113",
        r"1 images are in both train and test \(e.g. images/a2.png = images/a7.png\). Remove one of each from train or "
        r"test, or set data.allow_duplicates: true to keep both.",
    ),
    "a class that no training image shows": (
        without_pits, {}, "E127",
        r"train has no pixel of class 'pit' \(it is in 2 images of 2 groups\), so no model can learn it .*"
        r"validate.allow_unlearned: true",
    ),
    "one group and no published split": (
        lambda raw: shutil.rmtree(raw / "splits"), {"group_by": "^(a)"}, "E126",
        r"1 groups cannot fill train, val and test: .*data.group_by.* splits/train.txt",
    ),
    "a group in two splits": (
        lambda raw: None, {"group_by": "^(a)"}, "E113",
        r"group 'a' of data.group_by is in test and train and val by the published split.",
    ),
    "a missing mask": (
        lambda raw: (raw / "masks" / "a5.png").unlink(), {}, "E114",
        r"1 of 8 images have no mask: images/a5.png.",
    ),
    "no masks": (
        no_masks, {}, "E114",
        r"found 8 images \(.png\) and 0 masks in masks/. truth/ has 8 files with matching stems",
    ),
    "a truncated image": (cut("images/a6.png"), {}, "E121", r"images/a6.png cannot be read"),
    "a truncated mask": (cut("masks/a6.png"), {}, "E121", r"masks/a6.png cannot be read"),
    "mixed depths": (
        image("a3", np.full((12, 16), 300, dtype=np.uint16)), {"value_range": [0, 4095]}, "E122",
        r"images differ in depth: 7 uint8, 1 uint16 \(images/a3.png\)",
    ),
    "a mask that is all void": (
        mask("a3", np.full((12, 16), 255, dtype=np.uint8)), {}, "E125",
        r"masks/a3.png: share 1.000 of its pixels is ignored",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_set_is_refused_by_code_and_file(
    name: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    break_set, data, code, line = BAD[name]
    break_set(workspace / "raw")
    assert run_validate(data=data) == 3
    printed = capsys.readouterr().err
    assert re.search(f"^validate: {code} {line}", printed, re.MULTILINE), printed
    summary = Path("data/validate/summary.txt").read_text()
    assert re.search(f"^{code} {line}", summary, re.MULTILINE), summary


def test_a_good_set_passes_and_leaves_its_papers(workspace: Path) -> None:
    assert run_validate() == 0
    out = Path("data/validate")
    assert sorted(path.name for path in out.iterdir()) == [
        "summary.txt",
        "table.csv",
        "validation.json",
    ]
    content = json.loads((out / "validation.json").read_text())
    assert content["success"]
    assert {outcome["code"] for outcome in content["expectations"]} >= {
        "E101", "E102", "E104", "E105", "E107", "E109", "E113", "E114", "E121",
    }  # fmt: skip
    assert "8 images, passed" in (out / "summary.txt").read_text()
    assert Path(".state/validate/docs/index.html").exists()
    before = {path: path.read_bytes() for path in out.iterdir()}
    assert run_validate() == 0
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert not any(str(workspace).encode() in content for content in before.values())


def test_kinds_that_can_be_told_apart_are_no_findings(workspace: Path) -> None:
    raw = workspace / "raw"
    save(raw / "images" / "a1.png", noise(1, (20, 30)))
    save(raw / "masks" / "a1.png", stripes((20, 30)))
    save(raw / "masks" / "a2.png", colours())
    save(raw / "masks" / "a3.png", stripes().astype(np.uint16))
    save(raw / "masks" / "a4.png", stripes() == 1)
    save(raw / "images" / "a7.png", noise(2))
    assert run_validate(data={"allow_duplicates": True}) == 0
    assert "gray and colour images are mixed" in Path("data/validate/summary.txt").read_text()


def test_what_is_left_out_of_images_is_named_in_the_summary(workspace: Path) -> None:
    half_transparent(workspace / "raw")
    (workspace / "raw" / "images" / "a5.png").unlink()
    samples = np.concatenate([noise(5), noise(9)[..., :1]], axis=2)
    path = workspace / "raw" / "images" / "a5.tif"
    write_tiff(path, samples, bits=8, photometric=2, tags={338: [0]})
    opaque = np.concatenate([noise(6), np.full((12, 16, 1), 255, np.uint8)], axis=2)
    save(workspace / "raw" / "images" / "a6.png", opaque)
    assert run_validate(data={"alpha": "black", "extra_bands": "drop"}) == 0
    summary = Path("data/validate/summary.txt").read_text()
    assert "Images with 4 bands: 1; 3 of them are used" in summary
    assert "Images with transparent pixels: 1; data.alpha is black" in summary
    assert "Images with alpha that is opaque everywhere: 1" in summary


def test_ids_that_count_from_1_are_told_on_the_screen(
    workspace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path in (workspace / "raw" / "masks").iterdir():
        save(path, 1 + stripes() % 2)
    assert run_validate() == 0
    assert "data.label_map: {1: plate, 2: scratch, 3: pit}" in caplog.text


def test_limits_come_from_the_params(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_validate(validate={"min_images": 9}, data={"max_pixels": 191}) == 3
    printed = capsys.readouterr().err
    assert "E123 found 8 images, validate.min_images is 9" in printed
    # Five by name on the screen, all in the summary.
    assert printed.count("E124 images/a") == 5
    assert "E124 and 3 more, listed in data/validate/summary.txt" in printed
    assert Path("data/validate/summary.txt").read_text().count("E124 images/a") == 8


def test_a_large_label_map_beside_a_smaller_image_is_told_by_its_size(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((40, 30), np.uint8)).save(workspace / "raw" / "masks" / "a5.png")
    assert run_validate(data={"max_pixels": 1000}) == 3
    printed = capsys.readouterr().err
    assert "40x30" in printed or "30x40" in printed
    assert "E124" not in printed
    assert "E121" not in printed


def test_an_empty_published_split_is_refused(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "raw" / "splits" / "val.txt").write_text("")
    assert run_validate() == 3
    assert "E126 the published split has no images in val" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        ({"val_share": 0.0}, "prepare.val_share is 0"),
        ({"test_share": 0.0}, "prepare.test_share is 0"),
    ],
)
def test_what_prepare_would_refuse_of_a_drawn_split_is_told(
    workspace: Path, capsys: pytest.CaptureFixture[str], prepare: dict[str, float], words: str
) -> None:
    shutil.rmtree(workspace / "raw" / "splits")
    assert run_validate(prepare=prepare) == 3
    assert re.search(f"validate: E126 .*{words}", capsys.readouterr().err)


def test_eight_images_and_an_equal_picture_pass_and_are_told(
    workspace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The picture that stands twice goes to one split, and its second label map is named."""
    raw = workspace / "raw"
    shutil.rmtree(raw / "splits")
    save(raw / "images" / "a7.png", noise(2))
    save(raw / "masks" / "a7.png", stripes()[:, ::-1])
    assert run_validate() == 0
    said = caplog.text
    summary = Path("data/validate/summary.txt").read_text()
    for text in (said, summary):
        assert "images/a2.png and images/a7.png are the same picture" in text
        assert "masks/a2.png, masks/a7.png" in text
    assert "prepare divides 7 groups" in summary


def test_names_of_one_object_are_told_with_a_group_by_that_works(
    workspace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = workspace / "raw"
    shutil.rmtree(raw)
    for i, name in enumerate(f"part_{part}_{side}" for part in range(8, 13) for side in "ab"):
        save(raw / "images" / f"{name}.png", noise(i))
        save(raw / "masks" / f"{name}.png", stripes())
    assert run_validate() == 0
    found = re.search(r"data.group_by: '(.+)'", caplog.text)
    assert found
    assert found[0] in Path("data/validate/summary.txt").read_text()
    caplog.clear()
    assert run_validate(data={"group_by": found[1]}) == 0
    assert "group_by" not in caplog.text
    assert "divides 5 groups" in Path("data/validate/summary.txt").read_text()


def test_a_set_of_unreadable_files_is_told_as_such(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (workspace / "raw").rglob("*.png"):
        path.write_bytes(b"")
    assert run_validate() == 3
    assert set(re.findall(r"validate: (E\d+)", capsys.readouterr().err)) == {"E121"}


def test_names_are_checked_before_any_file_is_read(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(workspace / "raw")
    assert run_validate(data={"source": "coco"}, model={"arch": "unetplusplus"}) == 2
    printed = capsys.readouterr().err
    assert "data.source" in printed
    assert "model.arch" in printed


def test_prepare_follows_and_is_the_same_twice(workspace: Path) -> None:
    from pipelines._stage.run import run_stage
    from pipelines.prepare import prepare

    assert run_validate() == 0
    contents = []
    for _ in range(2):
        assert run_stage(prepare, "prepare", argv=[]) == 0
        files = sorted(path for path in Path("data/prepare").rglob("*") if path.is_file())
        contents.append({path: path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert len(contents[0]) == 2 * COUNT + 4
