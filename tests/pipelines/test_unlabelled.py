"""The first stages on a set with unlabelled images: every file is checked, and no picture is on both sides."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.base_params import write_params
from tests.ocrnet.raw.raw_sets import CLASSES, noise, save, write_lists, write_pairs

pytestmark = [
    pytest.mark.tools,
    pytest.mark.filterwarnings("ignore"),  # those of Great Expectations' own imports
]


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good raw set with two unlabelled images."""
    raw = tmp_path / "raw"
    write_lists(raw, write_pairs(raw, 8))
    save(raw / "extra" / "b0.png", noise(40))
    save(raw / "extra" / "b1.png", noise(41))
    monkeypatch.chdir(tmp_path)
    return raw


def run(name: str, **sections: Any) -> int:
    from pipelines._stage.stage import run_stage
    from pipelines.prepare import prepare
    from pipelines.validate import validate

    data = {
        "source": "folder", "path": "raw", "classes": list(CLASSES), "crop_size": [12, 16],
        "unlabelled": "extra", **sections.pop("data", {}),
    }  # fmt: skip
    small = {
        "model": {"arch": "fcn", "backbone": "resnet18"},
        "synthesize": {"operations": {"flip": 1.0}},
        "select": {"calibrate_on": "train"},  # the one image of val has 192 pixels
    }
    write_params(Path("params.yaml"), {"data": data, **small, **sections})
    return run_stage({"validate": validate, "prepare": prepare}[name], name, argv=[])


def files_of(folder: str) -> dict[str, bytes]:
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_unlabelled_images_are_checked_counted_and_prepared_beside_the_others(raw: Path) -> None:
    assert run("validate", data={"unlabelled": None}) == 0
    assert run("prepare", data={"unlabelled": None}) == 0
    checked, prepared = files_of("data/validate"), files_of("data/prepare")
    assert "unlabelled.csv" not in checked
    assert run("validate") == 0
    assert run("prepare") == 0
    assert files_of("data/validate")["table.csv"] == checked["table.csv"]
    summary = Path("data/validate/summary.txt").read_text()
    assert "8 images, passed" in summary
    assert "Unlabelled images: 2, for training alone; 2 8-bit colour." in summary
    assert "2 unlabelled images; left out: 0." in summary
    after = files_of("data/prepare")
    assert {name: after[name] for name in prepared} == prepared
    assert sorted(set(after) - set(prepared)) == [
        f"unlabelled/{name}"
        for name in ("images/extra-b0.png", "images/extra-b1.png", "manifest.csv")
    ]
    # Without them, nothing of them is left.
    assert run("validate", data={"unlabelled": None}) == 0
    assert run("prepare", data={"unlabelled": None}) == 0
    assert (files_of("data/validate"), files_of("data/prepare")) == (checked, prepared)


def test_unlabelled_images_are_refused_by_code_and_file(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(raw / "images" / "a7.png", raw / "extra" / "copy.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    save(raw / "extra" / "turned.jpg", noise(42), exif=exif)
    alpha = np.full((12, 16, 1), 200, np.uint8)
    save(raw / "extra" / "clear.png", np.concatenate([noise(43), alpha], axis=2))
    save(raw / "extra" / "deep.png", noise(44, (12, 16)).astype(np.uint16) * 16)
    (raw / "extra" / "cut.png").write_bytes((raw / "images" / "a0.png").read_bytes()[:200])
    save(raw / "extra" / "large.png", noise(45, (24, 32, 3)))
    assert run("validate", data={"max_pixels": 400}) == 3
    printed = capsys.readouterr().err
    for line in (
        "E108 1 images have a rotation flag (EXIF orientation 6): extra/turned.jpg",
        "E109 extra/deep.png is uint16",
        "E111 1 images have transparent pixels (100.0% of their pixels)",
        "E121 extra/cut.png cannot be read",
        "E124 extra/large.png: image 32x24 is above data.max_pixels 400",
        "E128 extra/copy.png shows the same picture as the test image images/a7.png",
    ):
        assert line in printed
    content = json.loads(Path("data/validate/validation.json").read_text())
    assert not content["success"]
    assert {finding["code"] for finding in content["findings"]} == {
        "E108", "E109", "E111", "E121", "E124", "E128",
    }  # fmt: skip


def test_unlabelled_images_have_the_depth_of_the_others(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(raw / "extra" / "deep.png", noise(44, (12, 16)).astype(np.uint16) * 16)
    assert run("validate", data={"value_range": [0, 4095]}) == 3
    assert (
        "E122 images differ in depth: 10 uint8, 1 uint16 (extra/deep.png)"
        in capsys.readouterr().err
    )
