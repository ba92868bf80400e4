"""Scores against hand-computed values, scikit-learn and slow code straight from the definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import confusion_matrix as sklearn_confusion  # type: ignore[import-untyped]
from sklearn.metrics import jaccard_score

from ocrnet.metrics import (
    boundary_counts,
    boundary_iou,
    calibration_counts,
    calibration_error,
    confusion_matrix,
    mean_accuracy,
    miou,
    per_class_dice,
    per_class_iou,
    per_class_precision,
    per_class_recall,
    pixel_accuracy,
)

IGNORE = 255
Ids = NDArray[np.uint8]


def labels(seed: int, *, classes: int = 4, size: tuple[int, int] = (13, 17)) -> Ids:
    return np.random.default_rng(seed).integers(0, classes, size).astype(np.uint8)


def confusion(predicted: Ids, truth: Ids, classes: int = 4) -> NDArray[np.int64]:
    return confusion_matrix(predicted, truth, num_classes=classes, ignore_index=IGNORE)


def test_scores_of_a_case_counted_by_hand() -> None:
    truth = np.array([[0, 0, 0, 1], [1, 1, 255, 255]], np.uint8)
    predicted = np.array([[0, 0, 1, 1], [1, 0, 2, 0]], np.uint8)
    counts = confusion(predicted, truth, 3)
    assert counts.tolist() == [[2, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert per_class_iou(counts)[:2].tolist() == [0.5, 0.5]
    assert np.isnan(per_class_iou(counts)[2])
    assert miou(counts) == 0.5
    assert pixel_accuracy(counts) == 4 / 6
    assert per_class_recall(counts)[:2].tolist() == [2 / 3, 2 / 3]
    assert per_class_precision(counts)[:2].tolist() == [2 / 3, 2 / 3]
    assert per_class_dice(counts)[:2].tolist() == pytest.approx([2 / 3, 2 / 3])
    assert mean_accuracy(counts) == pytest.approx(2 / 3)


def test_precision_recall_and_dice_of_a_rare_class_counted_by_hand() -> None:
    """Ten pixels of class 1, of which 4 are found, and 12 pixels of class 0 that are taken for it."""
    counts = np.array([[88, 12, 0], [6, 4, 0], [0, 0, 0]])
    assert per_class_precision(counts)[1] == 4 / 16
    assert per_class_recall(counts)[1] == 4 / 10
    assert per_class_dice(counts)[1] == pytest.approx(8 / 26)
    for score in (per_class_precision, per_class_recall, per_class_dice):
        assert np.isnan(score(counts)[2])


def test_a_class_that_is_never_predicted_has_no_precision() -> None:
    counts = np.array([[5, 0], [3, 0]])
    assert np.isnan(per_class_precision(counts)[1])
    assert (per_class_recall(counts)[1], per_class_dice(counts)[1]) == (0, 0)


def test_a_class_that_the_truth_does_not_show_is_in_no_mean() -> None:
    """Its pixels are missed by their true classes: here one of two."""
    counts = confusion(np.array([[0, 1]], np.uint8), np.array([[0, 0]], np.uint8), 3)
    assert per_class_iou(counts)[0] == 0.5
    assert np.isnan(per_class_iou(counts)[1:]).all()
    assert miou(counts) == 0.5
    assert mean_accuracy(counts) == 0.5


def test_the_definition_beside_those_of_other_programs() -> None:
    """150 pixels: 100 of class 0, of which 10 are predicted as class 2, and 50 of class 1, all found.

    torchmetrics, mmsegmentation and the Cityscapes script count class 2 as 0, since it is predicted.
    """
    truth = np.repeat(np.array([0, 1], np.uint8), [100, 50])
    predicted = truth.copy()
    predicted[:10] = 2
    counts = confusion(predicted, truth, 3)
    assert miou(counts) == pytest.approx((0.9 + 1.0) / 2)
    hits = np.diagonal(counts)
    theirs = hits / (counts.sum(0) + counts.sum(1) - hits)
    assert theirs.mean() == pytest.approx((0.9 + 1.0 + 0.0) / 3)


def test_no_valid_pixel_gives_nan_and_no_warning() -> None:
    empty = np.full((2, 2), IGNORE, np.uint8)
    counts = confusion(np.zeros((2, 2), np.uint8), empty, 2)
    assert counts.sum() == 0
    assert np.isnan([miou(counts), pixel_accuracy(counts), mean_accuracy(counts)]).all()


@given(st.integers(0, 10_000))
def test_confusions_add_and_agree_with_sklearn(seed: int) -> None:
    a, b = labels(seed), labels(seed + 1)
    c, d = labels(seed + 2, size=(5, 3)), labels(seed + 3, size=(5, 3))
    together = confusion(np.r_[a.ravel(), c.ravel()], np.r_[b.ravel(), d.ravel()])
    assert np.array_equal(together, confusion(a, b) + confusion(c, d))
    assert np.array_equal(
        confusion(a, b), sklearn_confusion(b.ravel(), a.ravel(), labels=[0, 1, 2, 3])
    )
    oracle = jaccard_score(b.ravel(), a.ravel(), labels=[0, 1, 2, 3], average=None, zero_division=0)
    shown = np.isin(np.arange(4), b)
    assert np.allclose(per_class_iou(confusion(a, b))[shown], oracle[shown])
    assert np.isnan(per_class_iou(confusion(a, b))[~shown]).all()


@given(st.integers(0, 10_000))
def test_ignored_pixels_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = labels(seed), labels(seed + 1)
    truth[rng.random(truth.shape) < 0.3] = IGNORE
    other = np.where(truth == IGNORE, labels(seed + 2), predicted).astype(np.uint8)
    assert np.array_equal(confusion(predicted, truth), confusion(other, truth))
    bands = [
        boundary_counts(p, truth, num_classes=4, ignore_index=IGNORE, ratio=0.1)
        for p in (predicted, other)
    ]
    assert np.array_equal(bands[0], bands[1])
    probabilities = rng.dirichlet(np.ones(4), truth.shape).transpose(2, 0, 1)
    changed = np.where(truth == IGNORE, probabilities[::-1], probabilities)
    bins = [calibration_counts(p, truth, ignore_index=IGNORE) for p in (probabilities, changed)]
    assert np.array_equal(bins[0], bins[1])


@pytest.mark.parametrize("ignore_index", [255, 7])
def test_an_id_that_is_no_class_is_named(ignore_index: int) -> None:
    truth = np.array([[0, 5], [5, ignore_index]], np.uint8)
    with pytest.raises(ValueError, match=r"label map: found value 5 \(2 px\), allowed are 0 to 2"):
        confusion_matrix(
            np.zeros((2, 2), np.uint8), truth, num_classes=3, ignore_index=ignore_index
        )
    with pytest.raises(ValueError, match="prediction: found value 3"):
        confusion(np.array([[3]], np.uint8), np.array([[0]], np.uint8), 3)


def test_stacked_confusions_give_stacked_ious() -> None:
    stack = np.stack([confusion(labels(i), labels(i + 9)) for i in range(3)])
    assert np.array_equal(per_class_iou(stack), [per_class_iou(one) for one in stack])


def test_boundary_iou_of_shifted_squares_by_hand() -> None:
    truth, predicted = np.zeros((2, 30, 40), np.uint8)
    truth[10:20, 10:20] = 1
    predicted[10:20, 12:22] = 1  # shifted by 2
    counts = boundary_counts(predicted, truth, num_classes=2, ignore_index=IGNORE, ratio=0.02)
    # d = round(0.02 * 50) = 1, so each band is the 36 px rim of its square. The top and the bottom
    # edges share 8 px each; the left and right edges meet nothing.
    assert counts[1].tolist() == [16, 36 + 36 - 16]
    assert boundary_iou(counts)[1] == 16 / 56
    perfect = boundary_counts(truth, truth, num_classes=3, ignore_index=IGNORE, ratio=0.02)
    assert boundary_iou(perfect)[:2].tolist() == [1.0, 1.0]
    assert np.isnan(boundary_iou(perfect)[2])


def test_the_edge_of_an_ignored_region_is_no_boundary() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[15:25, 15:25] = IGNORE
    counts = boundary_counts(truth * 0, truth, num_classes=1, ignore_index=IGNORE, ratio=0.03)
    rim = 40 * 40 - 36 * 36  # d = 2: the frame of the image alone
    assert counts.tolist() == [[rim, rim]]


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_boundary_counts_agree_with_erosion_class_by_class(seed: int, distance: int) -> None:
    truth, predicted = (
        ndimage.zoom(labels(seed + i, size=(5, 6)), 5, order=0).astype(np.uint8) for i in (0, 1)
    )
    truth[:3, 4:9] = IGNORE
    ratio = distance / np.hypot(*truth.shape)
    counts = boundary_counts(predicted, truth, num_classes=4, ignore_index=IGNORE, ratio=ratio)
    ignored = truth == IGNORE
    for k in range(4):
        bands = []
        for ids in (truth, predicted):
            solid = (ids == k) | ignored
            inner = ndimage.binary_erosion(solid, np.ones((3, 3), np.bool_), iterations=distance)
            bands.append((ids == k) & ~ignored & ~inner)
        assert counts[k].tolist() == [(bands[0] & bands[1]).sum(), (bands[0] | bands[1]).sum()]


def test_calibration_error_by_hand() -> None:
    top = np.array([[0.95, 0.95, 0.62, 0.62]])
    probabilities = np.stack([top, 1 - top])
    truth = np.array([[0, 1, 0, 0]], np.uint8)  # right, wrong, right, right
    counts = calibration_counts(probabilities, truth, ignore_index=IGNORE)
    # 0.95 lies in bin 14, (14/15, 1]: accuracy 0.5, gap 0.45; 0.62 in bin 9: accuracy 1, gap 0.38.
    assert counts[0].nonzero()[0].tolist() == [9, 14]
    assert calibration_error(counts) == pytest.approx((2 * 0.45 + 2 * 0.38) / 4)


def test_calibration_counts_add_and_hold_the_extremes() -> None:
    a, b = (
        np.random.default_rng(i).dirichlet(np.ones(4), (6, 7)).transpose(2, 0, 1) for i in (0, 1)
    )
    truth = labels(3, size=(6, 14))
    halves = [
        calibration_counts(p, t, ignore_index=IGNORE)
        for p, t in ((a, truth[:, :7]), (b, truth[:, 7:]))
    ]
    whole = calibration_counts(np.concatenate([a, b], 2), truth, ignore_index=IGNORE)
    assert np.allclose(whole, halves[0] + halves[1])
    sure = np.stack([np.ones((2, 2)), np.zeros((2, 2))])
    counts = calibration_counts(sure, np.zeros((2, 2), np.uint8), ignore_index=IGNORE)
    assert counts[:, 14].tolist() == [4, 4, 4]
    assert calibration_error(counts) == 0
