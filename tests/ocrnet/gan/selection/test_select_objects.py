"""What selection does with the objects of a pair."""

from pathlib import Path

import numpy as np
import pytest

from ocrnet.data.decode import read_label_map
from ocrnet.data.instance_maps import read_instances
from ocrnet.data.manifest import file_sha256, read_manifest
from ocrnet.gan.selection.kept_objects import mostly_rejected
from tests.ocrnet.evaluation.things import add_things
from tests.ocrnet.gan.selection.selected import select, synthesize
from tests.ocrnet.gan.street import (
    BIRD,
    CAR,
    GROUND,
    ColourPainter,
)


def test_an_object_that_is_rejected_whole_is_dropped_and_its_pair_kept(
    prepared: Path, tmp_path: Path
) -> None:
    """Cars are painted as ground, birds as they are: the birds of each pair stay objects, and no car does."""
    add_things(prepared, ("car", "bird"), (CAR, BIRD))
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter(wrong={CAR: GROUND}))
    metrics = select(prepared, pairs, tmp_path / "select", warn_rejected=1.0)
    assert metrics["select/kept"] == 8
    birds = 0
    for _, row in read_manifest(tmp_path / "select").iterrows():
        before = read_instances(pairs / "instances" / f"{row['id']}.png")
        left = read_label_map(tmp_path / "select" / row["label_map"])
        numbers = read_instances(tmp_path / "select" / row["instances"])
        assert row["instances_sha256"] == file_sha256(tmp_path / "select" / row["instances"])
        assert np.array_equal(numbers > 0, np.isin(left, (CAR, BIRD)))
        assert np.array_equal(np.unique([0, *numbers.ravel()]), np.arange(numbers.max() + 1))
        assert len(np.unique(before[left == BIRD])) == numbers.max()
        birds += int(numbers.max())
    assert birds > 0


def test_an_object_that_is_mostly_rejected_is_ignored_whole_and_one_that_is_partly_stays() -> None:
    """Of ten pixels each, the objects 3 and 7 lose six and five, and 5 loses none."""
    numbers = np.repeat(np.array([0, 3, 5, 7], np.uint16), 10).reshape(4, 10)
    wrong = np.zeros((4, 10), dtype=bool)
    wrong[0], wrong[1, :6], wrong[3, :5] = True, True, True
    dropped = mostly_rejected(numbers, wrong, most=0.5)
    assert np.array_equal(dropped, numbers == 3)
    assert not mostly_rejected(numbers, np.ones_like(wrong), most=1.0).any()
    assert np.array_equal(
        mostly_rejected(numbers, wrong, most=0.0), (numbers == 3) | (numbers == 7)
    )


def test_what_is_left_of_a_mostly_rejected_object_is_no_example_of_its_class(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With half of the cars' pixels under the cap, each pair shows cars without a hole, or none."""
    add_things(prepared, ("car", "bird"), (CAR, BIRD))
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter(wrong={CAR: GROUND}))
    partly = select(prepared, pairs, tmp_path / "all", warn_rejected=0.4)
    assert "max_object_rejected" not in caplog.text
    mostly = select(prepared, pairs, tmp_path / "some", warn_rejected=0.4, max_object_rejected=0.3)
    assert caplog.messages[-1].startswith("class car: ")
    assert "raise select.max_object_rejected" in caplog.messages[-1]
    assert mostly["select/rejected/car"] > partly["select/rejected/car"]
    for _, row in read_manifest(tmp_path / "some").iterrows():
        before = read_instances(pairs / "instances" / f"{row['id']}.png")
        left = read_label_map(tmp_path / "some" / row["label_map"])
        numbers = read_instances(tmp_path / "some" / row["instances"])
        assert np.array_equal(numbers > 0, np.isin(left, (CAR, BIRD)))
        for number in np.unique(before[numbers > 0]):
            assert (numbers[before == number] > 0).mean() >= 0.7
        assert row["px_car"] == (left == CAR).sum()
