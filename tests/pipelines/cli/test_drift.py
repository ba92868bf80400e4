"""`ocrnet drift`: images of the test split pass, other images are named, and MLflow gets the result."""

import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from pipelines.cli.app import main
from tests.base_params import write_params
from tests.ocrnet.conftest import write_toy_set
from tests.ocrnet.predict_files.bundles import write_varied_bundle
from tests.ocrnet.raw.raw_sets import noise
from tests.pipelines.store import Store, copy_empty_store

COUNTS = {"train": 16, "val": 12, "test": 8}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set, a model, and a folder of its test images and others: one of noise, one white, one damaged."""
    folder = tmp_path_factory.mktemp("drift")
    prepared = write_toy_set(folder / "data/prepare", counts=COUNTS)
    write_varied_bundle(folder / "model", seed=1)
    new = folder / "new"
    new.mkdir()
    for path in sorted((prepared / "images").glob("test_*.png")):
        (new / path.name).write_bytes(path.read_bytes())
    Image.fromarray(noise(0, (64, 80, 3))).save(new / "noise.png")
    Image.new("RGB", (80, 64), "white").save(new / "white.png")
    (new / "bad.png").write_bytes(b"no picture")
    return folder


def drift(*arguments: str) -> int:
    return main(["drift", "new", "-o", "out", "--model", "model", "--device", "cpu", *arguments])


def test_other_images_are_strange_and_those_of_the_test_split_are_not(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    assert drift("--rate", "0.08") == 3
    told = capsys.readouterr()
    assert "bad.png" in told.err
    assert len(told.err.strip().splitlines()) == 1
    candidates = Path("out/candidates.txt").read_text().splitlines()
    assert {"new/noise.png", "new/white.png"} <= set(candidates)
    table = pd.read_csv("out/drift.csv").set_index("path")
    assert len(table) == 10
    assert "brightness" in str(table.loc["new/white.png", "reasons"])
    assert "sharpness" in str(table.loc["new/noise.png", "reasons"])
    assert table.loc["new/white.png", "brightness"] == pytest.approx(1.0)
    summary = json.loads(Path("out/drift.json").read_text())
    of_test = [path for path in candidates if "test_" in path]
    assert summary["strange"] == len(candidates)
    assert summary["false_alarms_on_test"]["value"] == pytest.approx(len(of_test) / 8)
    page = Path("out/drift.html").read_text()
    assert "white.png" in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_reference_is_measured_once_per_model(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout)
    drift("--rate", "0.08")
    (kept,) = Path(".state/drift").iterdir()
    before = kept.stat().st_mtime_ns
    drift("--rate", "0.2")
    (again,) = Path(".state/drift").iterdir()
    assert again.stat().st_mtime_ns == before


def test_a_rate_that_val_cannot_show_is_refused_before_the_images_are_read(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    assert drift("--rate", "0.01") == 2
    assert "--rate: found 0.01, allowed is 0.0769 and more" in capsys.readouterr().err


@pytest.mark.tools
@pytest.mark.filterwarnings("ignore")
def test_mlflow_gets_the_result_as_a_run(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(checkout)
    copy_empty_store(tmp_path_factory, checkout / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{checkout}/mlflow.db")
    write_params(Path("params.yaml"), {})
    Path("new/bad.png").unlink()
    assert drift("--rate", "0.08", "--mlflow") == 0
    run = Store(checkout / "mlflow.db").run("drift")
    summary = json.loads(Path("out/drift.json").read_text())
    assert run.status == "FINISHED"
    assert run.series("drift/strange") == [(0, summary["strange"])]
    (of_brightness,) = [one for one in summary["set"] if one["measure"] == "brightness"]
    ((_, statistic),) = run.series("drift/brightness_statistic")
    assert statistic == pytest.approx(of_brightness["statistic"])
    assert run.params["rate"] == "0.08"
