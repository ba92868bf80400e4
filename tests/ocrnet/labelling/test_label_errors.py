"""Confident learning, by hand."""

import numpy as np
import pytest

from ocrnet.labelling.label_errors import (
    NO_CLASS,
    SelfConfidence,
    judge_labels,
    likely_classes,
)


def test_a_threshold_is_the_mean_probability_of_the_class_where_it_is_labelled() -> None:
    confidence = SelfConfidence(3)
    first = np.array([[[0.9, 0.5, 0.2]], [[0.1, 0.5, 0.8]], [[0, 0, 0]]], dtype=np.float32)
    second = np.array([[[0.4]], [[0.6]], [[0]]], dtype=np.float32)
    confidence.add(first, np.array([[0, 0, 1]], np.uint8))
    confidence.add(second, np.array([[255]], np.uint8))  # an ignored pixel does not count
    confidence.add(second, np.array([[1]], np.uint8))
    assert confidence.thresholds() == pytest.approx([0.7, 0.7, np.inf])


def test_a_class_is_likely_only_above_its_own_threshold() -> None:
    """At the second pixel the most probable class is below its threshold, and a less probable one is above."""
    probabilities = np.array(
        [[[0.7, 0.55, 0.5]], [[0.3, 0.45, 0.2]], [[0.0, 0.0, 0.3]]], np.float32
    )
    found = likely_classes(probabilities, np.array([0.6, 0.4, np.inf]))
    assert found.tolist() == [[0, 1, NO_CLASS]]


def one_hot(ids: np.ndarray) -> np.ndarray:
    """Return probabilities (2, H, W) of a model that is rather sure of these classes; -1 is even chances."""
    second = np.select([ids == 0, ids == 1], [0.1, 0.9], default=0.5)
    return np.stack([1 - second, second]).astype(np.float32)


SURE = np.array([0.8, 0.8])


def test_the_joint_counts_what_is_labelled_and_likely() -> None:
    labels = np.zeros((5, 8), np.uint8)
    labels[:, 7] = 255
    predicted = np.zeros((5, 8), np.int64)
    predicted[1:4, 1:4] = 1  # labelled 0: nine wrong pixels
    predicted[0, 5] = -1
    predicted[:, 7] = 1  # ignored
    judged = judge_labels(labels, one_hot(predicted), SURE)
    assert judged.joint.tolist() == [[35 - 9 - 1, 9], [0, 0]]
    assert judged.wrong.sum() == 9
    assert judged.share == pytest.approx(9 / 35)
    assert judged.worst == (0, 1, 9)


def test_a_border_that_is_off_by_a_pixel_or_two_is_no_error() -> None:
    labels = np.zeros((10, 10), np.uint8)
    labels[:, 5:] = 1
    predicted = labels.astype(np.int64)
    predicted[:, 5:7] = 0
    judged = judge_labels(labels, one_hot(predicted), SURE)
    assert judged.share == 0
    assert judged.worst is None
    predicted[:, 5:8] = 0
    assert judge_labels(labels, one_hot(predicted), SURE).share == pytest.approx(0.3)


def test_a_class_that_was_not_learned_makes_no_label_wrong() -> None:
    """Its threshold is so low that it is reached everywhere, also where the labelled class is more probable."""
    labels = np.zeros((6, 6), np.uint8)
    probabilities = np.stack([np.full((6, 6), 0.7), np.full((6, 6), 0.3)]).astype(np.float32)
    judged = judge_labels(labels, probabilities, np.array([0.8, 0.05]))
    assert not judged.wrong.any()
    assert not judged.joint.any()
