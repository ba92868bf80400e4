"""Numbers keep what they stand on, and are not compared across it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocrnet.errors import DataError
from ocrnet.gan.quality.measured import Measure, compare_quality, read_quality, write_quality

KID = Measure(
    name="KID", of="synthesized", value=0.4, extractor="segmenter", extractor_sha256="a" * 64, resize="none", n=24,
    reference_n=24, reference_sha256="b" * 16, train_n=36, train_sha256="e" * 16, resolution="96x128", split="val",
    seed=0, sd=0.1,
)  # fmt: skip


def test_the_difference_of_two_numbers_on_the_same_ground() -> None:
    assert compare_quality(KID, replace(KID, of="real", value=0.1)) == pytest.approx(-0.3)
    assert compare_quality(KID, replace(KID, seed=5)) == 0.0


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("name", "FID"), ("extractor", "random-conv"), ("extractor_sha256", "c" * 64), ("resize", "299x299 bilinear"),
        ("n", 96), ("reference_n", 12), ("reference_sha256", "d" * 16), ("train_n", 92), ("train_sha256", "f" * 16),
        ("resolution", "64x64"), ("split", "train"),
    ],
)  # fmt: skip
def test_numbers_on_other_ground_are_not_compared(key: str, other: Any) -> None:
    with pytest.raises(DataError, match=f"cannot be compared: {key} is .* and {other!r}") as caught:
        compare_quality(KID, replace(KID, **{key: other}))
    assert "\n" not in str(caught.value)


def test_a_metric_names_its_extractor_and_what_was_measured() -> None:
    assert KID.metric == "quality/KID[segmenter]"
    assert replace(KID, of="real").metric == "quality/real/KID[segmenter]"
    assert replace(KID, name="SSIM", of="held_out", extractor="").metric == "quality/held_out/SSIM"


def test_measures_come_back_from_the_file_as_they_were(tmp_path: Path) -> None:
    measures = [KID, replace(KID, name="memorisation_auc", sd=None, p_value=0.25)]
    write_quality(tmp_path, measures, generator="f" * 64)
    assert read_quality(tmp_path) == measures
    assert json.loads((tmp_path / "quality.json").read_text())["generator"] == "f" * 64


def test_a_file_of_another_schema_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Run the stage select again"):
        read_quality(tmp_path)
    (tmp_path / "quality.json").write_text('{"schema_version": 1}')  # it told no training set
    with pytest.raises(DataError, match="schema_version is 1"):
        read_quality(tmp_path)
