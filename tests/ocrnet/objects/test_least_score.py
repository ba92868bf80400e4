"""The least score of an object: chosen by PQ, applied to what is counted and shown, and kept from AP."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrnet.objects.curves import panoptic_quality, unit_counts
from ocrnet.objects.least_score import CANDIDATES, best_least_score, thresholded_pq
from ocrnet.objects.matching import ObjectCounts, compare_objects
from ocrnet.objects.object_map import ObjectMap
from ocrnet.objects.summary import ObjectTally

NOTHING = np.zeros((1, 12), dtype=bool)


def objects(scores: list[float], *, classes: list[int] | None = None) -> ObjectMap:
    """Return objects of two pixels each, side by side in one row."""
    numbers = np.zeros((1, 12), np.int32)
    for number in range(len(scores)):
        numbers[0, 2 * number : 2 * number + 2] = number + 1
    return ObjectMap(numbers, np.array(classes or [1] * len(scores)), np.array(scores))


def image_of(scores: list[float], true: list[int], *, least: float = 0.0) -> ObjectCounts:
    """Return an image whose predicted objects of some numbers are right."""
    predicted = objects(scores)
    numbers = np.where(np.isin(predicted.numbers, true), predicted.numbers, 0)
    truth = ObjectMap(numbers, predicted.class_ids, predicted.scores)
    truth = truth.kept(np.isin(np.arange(1, len(scores) + 1), true))
    return compare_objects(predicted, truth, ignored=NOTHING, things=(1,), least_score=least)


def test_weak_false_objects_are_cut_and_the_lowest_of_equal_candidates_is_taken() -> None:
    """Right: 0.9 and 0.62; false: 0.3, 0.44. From 0.45 on PQ is 1; above 0.6 a right one is lost."""
    image = image_of([0.9, 0.3, 0.62, 0.44], [1, 3])
    assert thresholded_pq([image], 0.0) == pytest.approx(2 / (2 + 2 / 2))
    assert thresholded_pq([image], 0.45) == pytest.approx(1)
    assert thresholded_pq([image], 0.65) == pytest.approx(1 / (1 + 1 / 2))
    assert best_least_score([image]) == pytest.approx(0.45)
    assert best_least_score([image_of([0.9, 0.3], [1, 2])]) == 0
    assert best_least_score([image_of([0.9], [])]) == 0


def test_an_object_below_it_is_neither_counted_nor_shown_and_ap_is_that_of_all() -> None:
    plain, cut = (image_of([0.9, 0.3, 0.62, 0.44], [1, 3], least=least) for least in (0.0, 0.7))
    assert cut.numbers.tolist() == [[1, 1, *[0] * 10]]
    assert plain.numbers.max() == 4
    assert (cut.missed, cut.false, plain.missed, plain.false) == (1, 0, 0, 2)
    first, second = (ObjectTally((one,)).summary for one in (plain, cut))
    assert first["ap50"] == second["ap50"] == pytest.approx(1.0, abs=0.2)
    assert second["pq"] == pytest.approx(1 / (1 + 1 / 2))
    assert second["classes"][0]["predicted"] == 1


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_what_is_chosen_by_is_the_pq_that_evaluate_then_gives(
    found: list[tuple[float, bool]],
) -> None:
    scores = [score for score, _ in found]
    true = [number for number, (_, is_true) in enumerate(found, start=1) if is_true]
    image = image_of(scores, true)
    for least in map(float, CANDIDATES[::4]):
        counts = unit_counts([image_of(scores, true, least=least)])
        expected = panoptic_quality(counts, np.ones((1, 1)))[0, 0] if true else np.nan
        assert thresholded_pq([image], least) == pytest.approx(expected, nan_ok=True)
    doubled = [image, replace(image)]
    assert best_least_score(doubled) == best_least_score([image])
