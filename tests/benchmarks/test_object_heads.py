"""The study of the ways to objects: its table says what was found."""

from pathlib import Path

import pytest

from benchmarks import object_heads
from benchmarks.object_heads import make_table
from benchmarks.study import Variant
from ocrnet.config.arms import BASELINE
from ocrnet.evaluation.scoring import Cell
from ocrnet.objects.summary import ObjectTally
from tests.ocrnet.conftest import toy_params
from tests.ocrnet.evaluation.things import half_found


def tally(images: int, found: int) -> ObjectTally:
    return ObjectTally(tuple(half_found(images, found)))


def rows_of(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def test_each_way_is_held_against_the_rivals_over_the_seeds_that_both_have(tmp_path: Path) -> None:
    variants = [Variant("none", toy_params(), (Cell(BASELINE, 0),), tmp_path)]
    plain, heads = ("none", "components"), ("offsets", "heads")
    table = make_table(
        {plain: {0: tally(40, 12)}, heads: {0: tally(40, 36), 1: tally(40, 40)}}, variants
    )
    first, second = rows_of(table)
    # AP50 of f of 40 is the share of the recalls 0, 0.01, ... up to f / 40: 31, 91 and 101 of 101.
    assert first[:4] == ["none", "components", "0", f"{100 * 31 / 101:.1f}"]
    assert second[:4] == ["offsets", "heads", "0 1", f"{100 * (91 + 101) / 202:.1f}"]
    assert first[-2:] == ["-", "-"]  # the rival itself, and no watershed
    assert second[-2].startswith(f"{100 * (91 - 31) / 101:+.1f} [+")  # of seed 0 alone


def test_too_few_images_have_no_interval(tmp_path: Path) -> None:
    variants = [Variant("none", toy_params(), (Cell(BASELINE, 0),), tmp_path)]
    rows = {("none", "watershed"): {0: tally(3, 1)}, ("offsets", "heads"): {0: tally(3, 3)}}
    assert rows_of(make_table(rows, variants))[1][-1].endswith("[too few images]")


def test_without_a_trained_model_one_line_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ruamel.yaml import YAML

    (tmp_path / "raw").mkdir()
    YAML().dump(toy_params().model_dump(mode="json", by_alias=True), tmp_path / "params.yaml")
    given = [
        "--data", str(tmp_path / "raw"), "--params", str(tmp_path / "params.yaml"), "--out", str(tmp_path / "out"),
        "--kinds", "none", "--table",
    ]  # fmt: skip
    assert object_heads.main(given) == 3
    assert "no model is trained. Run without --table first." in capsys.readouterr().err
