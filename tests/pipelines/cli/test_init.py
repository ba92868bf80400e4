"""`ocrnet init`, from a folder to prepared files; and what it refuses."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from ocrnet.config.params_file import load_params
from pipelines._stage.stage import run_stage
from pipelines.activate import activate_set
from pipelines.check import check
from pipelines.cli.app import main
from pipelines.prepare import prepare
from pipelines.validate import validate
from tests.base_params import write_params
from tests.ocrnet.raw.raw_sets import noise, save, stripes

ROOT = Path(__file__).parents[3]
SIZE = (64, 96)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with params, which is the working folder."""
    write_params(tmp_path / "params.yaml", {})
    shutil.copytree(ROOT / "params", tmp_path / "params")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_objects(root: Path, *, images: int = 12, folder: str = "masks") -> None:
    """Write images of several views of a part, whose label maps number two to five squares."""
    for place in range(images):
        name = f"part{place // 2:02d}_view{place % 2 + 1}.png"
        numbers = np.zeros(SIZE, dtype=np.uint16)
        for number in range(2 + place % 4):
            numbers[20:32, 16 * number + 4 : 16 * number + 14] = number + 1
        save(root / "images" / name, noise(place, (*SIZE, 3)))
        save(root / folder / name, numbers)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return the exit code and the last line of a command that writes no set."""
    before = sorted(Path("params").iterdir())
    code = main(["init", *arguments])
    assert sorted(Path("params").iterdir()) == before
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("ocrnet: ")]) == 1
    return code, lines[-1]


def test_a_folder_or_a_name_that_cannot_be_used_is_one_line(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, "nowhere") == (
        3, "ocrnet: E114 nowhere does not exist. Name the folder that contains the labelled images.",
    )  # fmt: skip
    (checkout / "file").write_text("")
    assert "file is a file, not a folder. Name the folder" in refused(capsys, "file")[1]
    (checkout / "camvid").mkdir()
    code, line = refused(capsys, "camvid")
    assert code == 2
    assert "params/camvid.yaml exists. Choose another name with --name" in line.replace("\\", "/")


def test_without_images_or_label_maps_the_source_says_what_is_missing(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "mine" / "images").mkdir(parents=True)
    code, line = refused(capsys, "mine")
    assert code == 3
    assert "none of masks/, annotations/, labels/, ann_dir/, instances/ is there" in line
    save(checkout / "mine" / "images" / "a.png", noise(0))
    (checkout / "mine" / "masks").mkdir()
    assert refused(capsys, "mine")[0] == 3


def test_label_maps_that_cannot_be_read_are_named(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(checkout / "mine" / "images" / "a.png", noise(0))
    (checkout / "mine" / "masks").mkdir()
    (checkout / "mine" / "masks" / "a.png").write_bytes(b"no picture")
    code, line = refused(capsys, "mine")
    assert code == 3
    assert "E121 mine/masks/a.png" in line


def test_outside_of_a_checkout_the_params_are_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "demo"]) == 2
    assert "params.yaml: the file is missing" in capsys.readouterr().err


@pytest.mark.tools
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_folder_of_numbered_objects_runs_as_configured(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_objects(checkout / "data" / "raw" / "Cells 2", folder="instances")
    assert main(["init", "data/raw/Cells 2", "--no-timing"]) == 0
    told = capsys.readouterr().out
    assert "make repro SET=cells-2" in told
    assert main(["init", "data/raw/Cells 2", "--no-timing"]) == 2
    activate_set("cells-2", params=checkout / "params.yaml", sets=checkout / "params")
    params = load_params(checkout / "params.yaml")
    assert params.data.label_map == {"0": "background", "other": "object"}
    check(checkout / "params.yaml")
    assert params.data.path == "data/raw/Cells 2"
    assert params.data.crop_size == SIZE
    assert params.data.group_by is not None
    for name, body in (("validate", validate), ("prepare", prepare)):
        assert run_stage(body, name, argv=[]) == 0
    import pandas as pd

    manifest = pd.read_csv(checkout / "data" / "prepare" / "manifest.csv")
    assert set(manifest["split"]) == {"train", "val", "test"}
    assert (manifest.groupby(manifest["id"].str[:6])["split"].nunique() == 1).all()
    assert (manifest["px_object"] >= 2 * 12 * 10).all()


@pytest.mark.tools
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_set_that_validate_would_refuse_is_not_written(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_objects(checkout / "mine")
    lost = sorted((checkout / "mine" / "masks").iterdir())[:7]
    for path in lost:
        path.write_bytes(b"no picture")
    assert main(["init", "mine", "--no-timing"]) == 3
    told = capsys.readouterr().err
    assert "ocrnet: E121" in told
    if "more, listed in " in told:
        assert all(path.stem in Path(".state/init/findings.txt").read_text() for path in lost)
    assert not (checkout / "params" / "mine.yaml").exists()


@pytest.mark.tools
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_images_without_label_maps_and_a_folder_of_them_are_for_training_alone(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(10):
        save(checkout / f"mine/images/{number}{number}x.png", noise(number, (64, 64, 3)))
        if number > 1:
            save(checkout / f"mine/masks/{number}{number}x.png", stripes((64, 64)) % 2)
    for number in range(3):
        save(checkout / f"mine/extra/Unlabeled/{number}.png", noise(50 + number, (64, 64, 3)))
    assert main(["init", "mine", "--no-timing"]) == 0, capsys.readouterr().err
    text = (checkout / "params/mine.yaml").read_text()
    assert re.search(r"^data.unlabelled: extra/Unlabeled\b", text, re.MULTILINE)
    assert "3 images by the folder's name" in text
    assert re.search("^data.without_label_map: unlabelled", text, re.MULTILINE)
    assert "2 images have no label map" in text


@pytest.mark.tools
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_images_without_label_maps_that_copy_labelled_ones_are_left_out(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(10):
        save(checkout / f"mine/images/{number}{number}x.png", noise(number, (64, 64, 3)))
        save(checkout / f"mine/images/{number}{number}y.png", noise(number, (64, 64, 3)))
        save(checkout / f"mine/masks/{number}{number}x.png", stripes((64, 64)) % 2)
    assert main(["init", "mine", "--no-timing"]) == 0, capsys.readouterr().err
    text = (checkout / "params/mine.yaml").read_text()
    assert re.search("^data.without_label_map: drop", text, re.MULTILINE)
    assert "10 images have no label map, and some show what val or test shows" in text
