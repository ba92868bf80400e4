"""The study of heads: its table says what the scores hold."""

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from benchmarks import heads
from benchmarks.study import Variant
from ocrnet.metrics import miou
from tests.ocrnet.conftest import toy_params

from .toy_scores import write_scores

SEEDS = (0, 1)


def options(workspace: Path, *more: str) -> list[str]:
    return [
        "--data", str(workspace / "raw"), "--params", str(workspace / "params.yaml"), "--out", str(workspace / "out"),
        "--archs", "ocrnet", "unet", "--seeds", *map(str, SEEDS), *more,
    ]  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with a raw set and params."""
    (tmp_path / "raw").mkdir()
    values = toy_params(steps=4).model_dump(mode="json", by_alias=True)
    YAML().dump(values, tmp_path / "params.yaml")
    return tmp_path


def variants(workspace: Path) -> list[Variant]:
    return heads.read_variants(heads._parser().parse_args(options(workspace)))[0]


def test_the_table_has_a_row_per_head_and_its_figures(workspace: Path) -> None:
    ocrnet, unet = variants(workspace)
    write_scores(ocrnet, {"train": 0.7})
    write_scores(unet, {"train": 0.5})
    cost = {"ocrnet": {"time": 1.0, "memory": 1.0, "parameters": 2_500_000, "folder": "x"}}
    (workspace / "out" / "cost.json").write_text(json.dumps(cost))
    assert heads.main(options(workspace, "--table")) == 0
    lines = (workspace / "out" / "table.md").read_text().splitlines()
    head, _, *rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    assert [row[0] for row in rows] == ["ocrnet", "unet"]
    assert all(len(row) == len(head) for row in rows)
    for row, variant in zip(rows, (ocrnet, unet), strict=True):
        scores = [
            100 * miou(variant.scores[cell].confusions.sum(axis=0)) for cell in variant.models
        ]
        assert row[5:7] == [f"{score:.2f}" for score in scores]
        assert row[4] == f"{sum(scores) / 2:.2f}"
    assert rows[0][1:4] == ["2.50", "1.00", "1.00"]
    assert rows[1][1:4] == ["-", "-", "-"]
    gap = re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", rows[1][7])
    assert gap
    value, low, high = map(float, gap.groups())
    assert value == pytest.approx(float(rows[0][4]) - float(rows[1][4]), abs=0.011)
    assert low <= value <= high


def test_heads_without_scores_are_named(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert heads.main(options(workspace, "--table")) == 3
    assert "no model of ocrnet, unet is done" in capsys.readouterr().err
    write_scores(variants(workspace)[0], {"train": 0.7})
    assert heads.main(options(workspace, "--table")) == 0
    assert "Not done: unet-0, unet-1." in (workspace / "out" / "table.md").read_text()


def test_a_wrong_name_is_told_before_anything_runs(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = workspace / "weights.pth"
    weights.touch()
    assert heads.main(options(workspace, "--set", f"model.pretrained={weights}")) == 2
    assert "unet has no backbone" in capsys.readouterr().err
    assert not (workspace / "out").exists()
