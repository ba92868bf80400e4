"""Scores of objects: by hand, by pycocotools, and as properties."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ocrnet.objects.coco_scores import coco_scores, to_coco
from ocrnet.objects.curves import (
    average_precision,
    iou_at_recall,
    panoptic_quality,
    precision_at_recall,
    recall_at_precision,
    unit_counts,
)
from ocrnet.objects.matching import ObjectCounts, compare_objects
from ocrnet.objects.object_map import ObjectMap, components
from ocrnet.objects.run_lengths import encode_objects
from ocrnet.objects.summary import ObjectTally
from ocrnet.raw.annotations.rasterize import Region, Runs, covered_by


def row(*numbers: int, classes: Sequence[int], scores: Sequence[float] = ()) -> ObjectMap:
    """Return objects in one row of pixels."""
    given_scores = np.array(scores or [1.0] * len(classes), dtype=np.float64)
    return ObjectMap(np.array([numbers], np.int32), np.array(classes, np.int64), given_scores)


def compared(
    predicted: ObjectMap, true: ObjectMap, *, ignored: Sequence[int] = (), things: Any = (1,)
) -> ObjectCounts:
    hidden = np.zeros(true.numbers.shape, dtype=np.bool_)
    hidden[0, list(ignored)] = True
    return compare_objects(predicted, true, ignored=hidden, things=things)


def test_scores_of_three_objects_by_hand() -> None:
    true = row(1, 1, 1, 1, 0, 2, 2, 2, 2, 0, 3, 3, classes=[1, 1, 1])
    # The first is found with an IoU of 3/4, the second with exactly 1/2, the third not; one is false.
    predicted = row(1, 1, 1, 0, 0, 2, 2, 0, 0, 3, 0, 0, classes=[1, 1, 1], scores=[0.9, 0.8, 0.7])
    counts = compared(predicted, true)
    assert counts.ious.tolist() == [0.75, 0, 0]  # panoptic: above 1/2
    assert counts.hits.tolist() == [1, 1, 0]  # COCO: at least 1/2
    assert (counts.missed, counts.false) == (2, 2)
    found = ObjectTally((counts,)).summary
    assert found["pq"] == pytest.approx(0.75 / (1 + 2 / 2 + 2 / 2))
    assert found["sq"] == pytest.approx(0.75)
    assert found["rq"] == pytest.approx(1 / 3)
    # Precision is 1 up to a recall of 2/3: 67 of the 101 recalls 0, 0.01, ..., 0.66.
    assert found["ap50"] == pytest.approx(67 / 101)
    # At 0.55, ..., 0.75 (five thresholds) only the first is found: recall 1/3, 34 of the 101.
    assert found["ap"] == pytest.approx((67 + 5 * 34) / 101 / 10)
    assert found["ap75"] == pytest.approx(34 / 101)
    assert found["ar"] == pytest.approx((2 / 3 + 5 / 3) / 10)
    (scores,) = found["classes"]
    assert (scores["precision"], scores["recall"], scores["mean_iou"]) == (1 / 3, 1 / 3, 0.75)
    assert (scores["true"], scores["predicted"]) == (3, 3)
    assert scores["precision_at_recall_50"] == 1
    assert scores["recall_at_precision_50"] == pytest.approx(2 / 3)
    assert scores["iou_at_recall_50"] == pytest.approx((0.75 + 0.5) / 2)
    assert found["sizes"]["small"] == {"found": 1, "missed": 2, "false": 2}
    assert found["count_error"] == 0


def test_recall_and_precision_of_a_half_that_are_never_reached_are_zero() -> None:
    true = row(1, 0, 2, 0, 3, classes=[1, 1, 1])
    predicted = row(0, 2, 0, 3, 1, classes=[1, 1, 1], scores=[0.5, 0.9, 0.8])
    counts = unit_counts([compared(predicted, true)])
    assert precision_at_recall(counts, 0) == 0
    assert recall_at_precision(counts, 0) == 0
    assert np.isnan(iou_at_recall(counts, 0))


def test_the_better_object_of_two_takes_the_true_one() -> None:
    true = row(1, 1, 1, 1, classes=[1])
    predicted = row(1, 1, 2, 2, classes=[1, 1], scores=[0.2, 0.3])
    assert compared(predicted, true).hits.tolist() == [0, 1]


def test_objects_of_another_class_are_no_match() -> None:
    true, predicted = row(1, 1, 0, classes=[1]), row(1, 1, 0, classes=[2])
    counts = compared(predicted, true, things=(1, 2))
    assert (counts.missed, counts.false, counts.hits.tolist()) == (1, 1, [0])
    found = ObjectTally((counts,)).summary
    assert found["classes"][0]["ap50"] == 0
    assert found["classes"][1]["ap50"] is None
    assert found["classes"][1]["precision"] == 0
    assert found["ap50"] == 0


def test_what_is_ignored_neither_helps_nor_hurts() -> None:
    true = row(1, 1, 1, 1, 0, 0, 0, 0, classes=[1])
    # The first covers its object and four ignored pixels; the second is ignored for the most part.
    predicted = row(1, 1, 1, 1, 1, 1, 1, 2, classes=[1, 1], scores=[0.9, 0.95])
    counts = compared(predicted, true, ignored=[4, 5, 6, 7])
    assert counts.ious.tolist() == [1, 0]
    assert counts.counted.tolist() == [True, False]
    assert counts.hits.tolist() == [1, -1]
    found = ObjectTally((counts,)).summary
    assert (found["pq"], found["ap50"]) == (1, 1)


def test_an_image_without_objects_has_scores_of_none() -> None:
    none = row(0, 0, classes=[])
    found = ObjectTally((compared(none, none),)).summary
    assert {found[name] for name in ("ap", "ap50", "ar", "pq", "sq", "rq")} == {None}
    missed = ObjectTally((compared(none, row(1, 0, classes=[1])),)).summary
    assert (missed["ap50"], missed["pq"], missed["sq"]) == (0, 0, None)
    assert missed["count_error"] == 1


def scene(seed: int, *, ignore: bool = True) -> ObjectCounts:
    """Return blobs, and a distorted prediction of them with scores in steps, so that some are equal."""
    rng = np.random.default_rng(seed)
    label_map = np.zeros((96, 128), np.uint8)
    for _ in range(rng.integers(0, 25)):
        y, x, size = (
            rng.integers(0, 90),
            rng.integers(0, 120),
            rng.integers(2, 40 if seed % 3 else 10),
        )
        label_map[y : y + size, x : x + size] = rng.integers(0, 3)
    predicted = np.roll(label_map, rng.integers(-2, 3, 2), axis=(0, 1))
    predicted[rng.random(label_map.shape) < 0.02] = 0
    found = components(predicted, (1, 2))
    scores = np.round(rng.random(len(found)), 1)
    ignored = np.zeros(label_map.shape, dtype=np.bool_)
    if ignore and seed % 2:
        ignored[:20] = True
    label_map[ignored] = 255
    return compare_objects(
        ObjectMap(found.numbers, found.class_ids, scores), components(label_map, (1, 2)),
        ignored=ignored, things=(1, 2),
    )  # fmt: skip


@pytest.fixture(scope="module")
def scenes() -> list[ObjectCounts]:
    return [scene(seed) for seed in range(12)]


def test_ap_and_ar_are_those_of_pycocotools(scenes: list[ObjectCounts]) -> None:
    truth, found = to_coco(scenes)
    with contextlib.redirect_stdout(io.StringIO()):
        reference: Any = COCO()
        reference.dataset = truth | {"info": {}}
        reference.createIndex()
        scorer: Any = COCOeval(reference, reference.loadRes(found), "segm")
        scorer.params.maxDets = [1000]
        scorer.params.areaRng, scorer.params.areaRngLbl = [[0, 1e10]], ["all"]
        scorer.evaluate()
        scorer.accumulate()
    precision, recall = (scorer.eval[name][..., 0, 0] for name in ("precision", "recall"))
    ours = coco_scores(scenes)
    np.testing.assert_allclose(ours.ap, precision.mean(axis=(0, 1)), atol=1e-12)
    np.testing.assert_allclose(ours.ap50, precision[0].mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(ours.ap75, precision[5].mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(ours.ar, recall.mean(axis=0), atol=1e-12)
    assert 0.1 < ours.ap[0] < ours.ap50[0] < 0.99
    counts = unit_counts(scenes)
    ones = np.ones((1, len(scenes)))
    np.testing.assert_allclose(average_precision(counts, ones)[0], ours.ap50, atol=1e-12)


def test_an_image_that_counts_twice_is_an_image_that_is_there_twice(
    scenes: list[ObjectCounts],
) -> None:
    weights = np.array([[2, 0, 1, 0, 3, 1, 0, 0, 1, 1, 2, 1]])
    repeated = [one for one, times in zip(scenes, weights[0], strict=True) for _ in range(times)]
    counts, again = unit_counts(scenes), unit_counts(repeated)
    ones = np.ones((1, len(repeated)))
    np.testing.assert_allclose(
        panoptic_quality(counts, weights), panoptic_quality(again, ones), atol=1e-12
    )
    np.testing.assert_allclose(
        average_precision(counts, weights), average_precision(again, ones), atol=0.02
    )  # equal scores come in another order


def test_images_of_a_group_are_one_unit(scenes: list[ObjectCounts]) -> None:
    index = np.repeat(np.arange(4), 3)
    grouped, single = unit_counts(scenes, index), unit_counts(scenes)
    assert len(grouped.true) == 4
    np.testing.assert_array_equal(grouped.true[1], single.true[3:6].sum(axis=0))
    np.testing.assert_allclose(
        average_precision(grouped, np.array([[1, 0, 2, 1]])),
        average_precision(single, np.repeat([[1, 0, 2, 1]], 3, axis=1)),
    )


def test_the_truth_as_prediction_is_perfect() -> None:
    counts = scene(5, ignore=False)
    true = components((counts.numbers > 0).astype(np.uint8), (1,))
    same = compare_objects(true, true, ignored=np.zeros(counts.size, dtype=np.bool_), things=(1,))
    found = ObjectTally((same,)).summary
    assert [found[name] for name in ("ap", "ap50", "ap75", "ar", "pq", "sq", "rq")] == [1] * 7
    assert (same.missed, same.false) == (0, 0)


@given(st.integers(0, 200))
def test_run_lengths_are_those_of_each_mask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers: npt.NDArray[np.int32] = rng.integers(0, 4, (rng.integers(1, 7), 5)).astype(np.int32)
    numbers[0, :3] = [1, 2, 3]
    for number, runs in enumerate(encode_objects(numbers, 3), start=1):
        region = Region("", runs=Runs(runs["counts"], tuple(runs["size"])))
        mask = numbers == number
        np.testing.assert_array_equal(covered_by(region, mask.shape), mask)
