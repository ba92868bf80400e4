"""Objects by centres and offsets."""

import numpy as np
import torch

from ocrnet.losses.instances import instance_targets
from ocrnet.objects.grouping import find_centres, group_pixels


def maps_of(numbers: np.ndarray) -> np.ndarray:
    """Return the perfect maps of an instance map."""
    found = instance_targets(torch.from_numpy(numbers)[None], sigma=2.0)
    return np.concatenate([found.heat.numpy(), found.offsets[0].numpy()]).astype(np.float32)


def probabilities_of(label_map: np.ndarray, count: int = 2) -> np.ndarray:
    shares = np.full((count, *label_map.shape), 0.2 / (count - 1), np.float32)
    np.put_along_axis(shares, label_map[None], 0.8, axis=0)
    return shares


def touching() -> np.ndarray:
    numbers = np.zeros((24, 40), np.int64)
    numbers[4:20, 4:20], numbers[4:20, 20:36] = 1, 2
    return numbers


def test_touching_objects_come_apart_by_perfect_maps() -> None:
    numbers = touching()
    probabilities = probabilities_of((numbers > 0).astype(np.int64))
    found = group_pixels(probabilities, maps_of(numbers), (1,))
    assert len(found) == 2
    # Equal heats keep the order of their places, so the numbers agree too.
    np.testing.assert_array_equal(found.numbers, numbers)
    assert found.class_ids.tolist() == [1, 1]
    heat = np.exp(-0.5 / 8)  # of the pixels nearest to a centre between four of them
    np.testing.assert_allclose(found.scores, 0.8 * heat, rtol=1e-5)


def test_a_centre_is_a_peak_of_its_window_above_the_threshold() -> None:
    heat = np.zeros((20, 20), np.float32)
    heat[3, 3], heat[3, 6], heat[12, 12], heat[18, 2] = 0.9, 0.5, 0.7, 0.1
    assert find_centres(heat).tolist() == [[3, 3], [12, 12]]  # the second is within 3 pixels


def test_a_flat_peak_is_one_centre() -> None:
    heat = np.zeros((9, 9), np.float32)
    heat[3:5, 3:5] = 0.6
    assert find_centres(heat).tolist() == [[3, 3]]


def test_the_class_is_that_of_most_pixels_and_small_objects_are_left_out() -> None:
    numbers = touching()
    label_map = (numbers > 0).astype(np.int64)
    label_map[4:20, 26:36] = 2  # most of the second object
    label_map[4:6, 4:20] = 0  # of the first, two rows are not seen
    probabilities = probabilities_of(label_map, 3)
    found = group_pixels(probabilities, maps_of(numbers), (1, 2))
    assert found.class_ids.tolist() == [1, 2]
    assert found.areas.tolist() == [14 * 16, 16 * 16]
    only = group_pixels(probabilities, maps_of(numbers), (1, 2), min_area=14 * 16 + 1)
    assert only.class_ids.tolist() == [2]
    # A class that is no thing takes its pixels away.
    assert group_pixels(probabilities, maps_of(numbers), (1,)).areas.tolist() == [14 * 16, 16 * 6]


def test_without_a_centre_components_are_objects() -> None:
    numbers = touching()
    probabilities = probabilities_of((numbers > 0).astype(np.int64))
    found = group_pixels(probabilities, np.zeros((3, 24, 40), np.float32), (1,))
    assert found.areas.tolist() == [16 * 32]
    none = group_pixels(probabilities_of(numbers * 0), maps_of(numbers), (1,))
    assert len(none) == 0
