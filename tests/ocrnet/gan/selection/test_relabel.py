"""Labels blended with the teacher's prediction, against values by hand."""

from pathlib import Path

import numpy as np
import pytest

from ocrnet.data.decode import read_label_map
from ocrnet.data.manifest import read_manifest
from ocrnet.data.pixel_weights import read_pixel_weights
from ocrnet.gan.selection.relabel import blend, rivals
from ocrnet.training.dataset import ImageFolder
from tests.ocrnet.gan.selection.selected import select, synthesize
from tests.ocrnet.gan.street import CAR, CLASSES, GROUND, ColourPainter

IGNORE = 255
# Four pixels, three classes: the teacher agrees, doubts, sees class 2 surely, and sees something where nobody labelled.
LAYOUT = np.array([[0, 0, 1, IGNORE]], np.uint8)
TEACHER = np.array([[[0.9, 0.5, 0.0, 0.2]], [[0.1, 0.3, 0.1, 0.5]], [[0.0, 0.2, 0.9, 0.3]]])
NONE = np.zeros((1, 4), bool)


def blended(share: float, wrong: np.ndarray = NONE) -> tuple[list[int], list[int]]:
    own = np.take_along_axis(TEACHER, np.where(LAYOUT == IGNORE, 0, LAYOUT)[None].astype(int), 0)[0]
    with np.errstate(divide="ignore"):
        losses = -np.log(own)
    labels, weights = blend(
        LAYOUT, losses, *rivals(TEACHER, LAYOUT), share=share, wrong=wrong, ignore_index=IGNORE
    )
    return labels[0].tolist(), weights[0].tolist()


def test_the_teacher_s_best_other_class_by_hand() -> None:
    classes, chances = rivals(TEACHER, LAYOUT)
    assert classes.tolist() == [[1, 1, 2, 1]]
    assert chances[0].tolist() == pytest.approx([0.1, 0.3, 0.9, 0.5])


def test_blends_by_hand() -> None:
    """q_t = (1 - r) + r p_t against q_c = r p_c; the weight is the larger one, of 255."""
    for share, labels, weights in (
        (0.5, [0, 0, 1, IGNORE], [0.95, 0.75, 0.55, 0]),  # 0.45 for class 2 is less than 0.55
        (0.6, [0, 0, 2, IGNORE], [0.94, 0.7, 0.54, 0]),  # and 0.54 is more than 0.46
        (1.0, [0, 0, 2, IGNORE], [0.9, 0.5, 0.9, 0]),
    ):
        found = blended(share)
        assert found[0] == labels
        assert found[1] == pytest.approx([255 * weight for weight in weights], abs=0.51)


def test_the_label_map_alone_is_kept_at_share_zero() -> None:
    assert blended(0.0) == (LAYOUT[0].tolist(), [255, 255, 255, 0])


def test_a_rejected_pixel_is_ignored_unless_the_teacher_gives_it_another_label() -> None:
    wrong = np.array([[False, True, True, False]])
    assert blended(0.0, wrong) == ([0, IGNORE, IGNORE, IGNORE], [255, 0, 0, 0])
    assert blended(0.6, wrong) == ([0, IGNORE, 2, IGNORE], [240, 0, 138, 0])


def test_a_class_painted_wrong_gets_the_label_of_what_is_painted(
    prepared: Path, tmp_path: Path
) -> None:
    """Cars painted as ground are ignored today; the sure teacher calls them ground, with its weight."""
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter(wrong={CAR: GROUND}))
    metrics = select(prepared, pairs, tmp_path / "select", warn_rejected=1.0, relabel=0.9)
    cars = 0
    for _, row in read_manifest(tmp_path / "select").iterrows():
        before = read_label_map(pairs / "label_maps" / f"{row['id']}.png")
        after = read_label_map(tmp_path / "select" / row["label_map"])
        weights = read_pixel_weights(tmp_path / "select" / row["pixel_weights"])
        assert (after[before == CAR] == GROUND).all()
        assert ((weights == 0) == (after == CLASSES.ignore_index)).all()
        assert row["px_ground"] == (after == GROUND).sum()
        cars += int((before == CAR).sum())
    pixels = read_manifest(pairs)[[f"px_{name}" for name in CLASSES.class_names]].to_numpy().sum()
    assert metrics["select/relabelled_share"] == pytest.approx(cars / pixels, abs=0.01)
    assert metrics["select/rejected/car"] == 0.0
    assert 0.5 < metrics["select/pixel_weight"] < 1
    assert ImageFolder.read(tmp_path / "select", split="train").weighs_pixels


def test_without_relabelling_no_map_of_weights_is_written(prepared: Path, tmp_path: Path) -> None:
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter(), count=4)
    select(prepared, pairs, tmp_path / "select", relabel=0.5)
    assert (tmp_path / "select" / "pixel_weights").is_dir()
    metrics = select(prepared, pairs, tmp_path / "select")
    assert not (tmp_path / "select" / "pixel_weights").exists()
    assert "pixel_weights" not in read_manifest(tmp_path / "select")
    assert not any("relabelled" in name for name in metrics)
