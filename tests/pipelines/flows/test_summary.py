"""The page that a run of the pipeline leaves on Prefect."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from pipelines._dvc_files.lock import key_of
from pipelines.flows.stage_scheduler import StageHistory
from pipelines.flows.summary import Facts, page

LOCK = """\
schema: '2.0'
stages:
  train@0:
    cmd: python -m pipelines.train 0
"""
RUN = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "dvc.lock").write_text(LOCK)
    evaluate = tmp_path / "data" / "evaluate"
    evaluate.mkdir(parents=True)
    (evaluate / "verdict.txt").write_text("The GAN pairs help.\n")
    (evaluate / "report.html").write_text("")
    metrics = {
        "test/mIoU": 0.5,
        "test/IoU/crack": 0.125,
        "test/accuracy": 0.9,
        "test/IoU/none": None,
    }
    (evaluate / "challenger.json").write_text(json.dumps({"metrics": metrics}))
    key = key_of("train@0", {"cmd": "python -m pipelines.train 0"})
    sent = {
        "http://mlflow.test toy": {
            "runs": {key: "abc", "of another lock": "old"},
            "challenger": {"model": "toy", "version": "7"},
            "experiment_id": "3",
        }
    }
    (tmp_path / ".state").mkdir()
    (tmp_path / ".state" / "published.json").write_text(json.dumps(sent))
    with temporary_settings({PREFECT_API_URL: "http://prefect.test/api"}):
        yield tmp_path


def test_the_page_has_verdict_stages_classes_and_the_way_to_everything(clone: Path) -> None:
    told = {
        "prepare": StageHistory("restored"),
        "train@0": StageHistory("ran", tries=2, workers=["a", "b"], seconds=12.4),
    }
    text = page(clone, told, Facts("c0ffee", "c0ffee", "runs/one", {"train@0": RUN}, ""))
    lines = text.splitlines()
    assert lines[0] == "The GAN pairs help."
    assert "| prepare | restored |  |  |  |" in lines
    (row,) = [line for line in lines if line.startswith("| [train@0]")]
    assert RUN in row
    assert row.endswith("| ran | a, b | 2 | 12 |")
    assert "| mIoU | 50.0 % |" in lines
    assert "| crack | 12.5 % |" in lines
    assert "accuracy" not in text
    md5 = hashlib.md5(LOCK.encode()).hexdigest()
    assert f"- dvc.lock (md5 `{md5}`): branch `runs/one`, then `dvc pull`" in lines
    assert "- MLflow, train@0: [abc](http://mlflow.test/#/experiments/3/runs/abc)" in lines
    assert "old" not in text  # a run of what lay in the clone before
    assert "- challenger: `toy` version 7" in lines


def test_the_page_of_a_failed_run_begins_with_why(tmp_path: Path) -> None:
    text = page(tmp_path, {}, Facts("c0ffee", "beef", "", {}, "train@0: exit code 2"))
    assert text.startswith("**Failed.** train@0: exit code 2\n")
    assert "- commit `c0ffee`, run as `beef`" in text
    assert "dvc.lock" not in text
