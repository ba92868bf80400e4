"""One bad set per finding, driven through the stage's real entry with a real Great Expectations suite."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.base_params import write_params
from tests.ocrnet.data.raw_files import write_tiff
from tests.ocrnet.raw.raw_sets import CLASSES, noise, save, stripes, write_lists, write_pairs
from tests.pipelines.bad_sets import BAD, colours, half_transparent

pytestmark = [
    pytest.mark.tools,
    pytest.mark.filterwarnings("ignore"),  # those of Great Expectations' own imports
]
COUNT = 8


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good raw set below `raw/` as the current one."""
    write_lists(tmp_path / "raw", write_pairs(tmp_path / "raw", COUNT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_validate(**sections: Any) -> int:
    from pipelines._stage.stage import run_stage
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
    assert run_validate(data={"source": "cvat"}, model={"arch": "unetplusplus"}) == 2
    printed = capsys.readouterr().err
    assert "data.source" in printed
    assert "model.arch" in printed


def test_prepare_follows_and_is_the_same_twice(workspace: Path) -> None:
    from pipelines._stage.stage import run_stage
    from pipelines.prepare import prepare

    assert run_validate() == 0
    contents = []
    for _ in range(2):
        assert run_stage(prepare, "prepare", argv=[]) == 0
        files = sorted(path for path in Path("data/prepare").rglob("*") if path.is_file())
        contents.append({path: path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert len(contents[0]) == 2 * COUNT + 4
