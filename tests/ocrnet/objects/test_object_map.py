"""Objects of an image: components, instance maps, scores."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from ocrnet.data.instance_maps import renumber, resize_instances
from ocrnet.objects.object_map import components, instances, predicted_components
from ocrnet.raw.label_maps import resize_label_map

LabelMap = npt.NDArray[np.uint8]
LABEL_MAPS = arrays(
    np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2)
)


def of(*rows: str) -> LabelMap:
    return np.array([[int(one) for one in row] for row in rows], dtype=np.uint8)


def test_components_are_numbered_class_by_class_and_joined_by_corners() -> None:
    found = components(of("1002", "0102", "0000", "2011"), (1, 2))
    assert found.numbers.tolist() == [[1, 0, 0, 3], [0, 1, 0, 3], [0, 0, 0, 0], [4, 0, 2, 2]]
    assert found.class_ids.tolist() == [1, 1, 2, 2]
    assert found.areas.tolist() == [2, 2, 2, 1]
    assert found.boxes()[0] == (slice(0, 2), slice(0, 2))
    assert len(components(of("12"), ())) == 0


def test_touching_objects_of_one_class_stay_apart_by_their_numbers() -> None:
    label_map = of("1110", "1120")
    numbers = np.array([[7, 7, 9, 5], [7, 7, 3, 5]])
    found = instances(numbers, label_map, (1,))
    assert found.numbers.tolist() == [[1, 1, 2, 0], [1, 1, 0, 0]]
    assert found.class_ids.tolist() == [1, 1]
    assert instances(numbers, label_map, (1, 2)).class_ids.tolist() == [2, 1, 1]


def test_the_score_is_the_mean_probability_and_small_objects_are_left_out() -> None:
    probabilities = np.zeros((2, 1, 5), dtype=np.float32)
    probabilities[1, 0] = [0.6, 0.8, 0.1, 0.75, 0.2]
    probabilities[0] = 1 - probabilities[1]
    found = predicted_components(probabilities, (1,))
    assert found.numbers.tolist() == [[1, 1, 0, 2, 0]]
    np.testing.assert_allclose(found.scores, [0.7, 0.75], atol=1e-6)
    larger = predicted_components(probabilities, (1,), min_area=2)
    assert larger.numbers.tolist() == [[1, 1, 0, 0, 0]]
    assert len(larger) == 1


@given(LABEL_MAPS)
def test_components_cover_the_things_and_nothing_else(label_map: LabelMap) -> None:
    found = components(label_map, (1, 2))
    np.testing.assert_array_equal(found.numbers > 0, label_map > 0)
    for index, class_id in enumerate(found.class_ids):
        assert set(label_map[found.mask(index)].tolist()) == {class_id}
        assert ndimage.label(found.mask(index), np.ones((3, 3)))[1] == 1
    again = instances(found.numbers, label_map, (1, 2))
    assert sorted(again.areas.tolist()) == sorted(found.areas.tolist())


@given(LABEL_MAPS, st.integers(1, 12), st.integers(1, 12))
def test_an_instance_map_is_resized_onto_its_label_map(
    label_map: LabelMap, height: int, width: int
) -> None:
    numbers = components(label_map, (1, 2)).numbers * 300
    resized = resize_instances(numbers, (height, width))
    np.testing.assert_array_equal(resized > 0, resize_label_map(label_map, (height, width)) > 0)
    assert set(np.unique(resized)) <= set(np.unique(numbers)) | {0}


@given(arrays(np.int64, (3, 4), elements=st.integers(0, 10**6)))
def test_numbers_without_gaps_keep_objects_and_their_order(numbers: npt.NDArray[np.int64]) -> None:
    found = renumber(numbers)
    assert sorted({0, *found.ravel().tolist()}) == list(range(len({0, *numbers.ravel().tolist()})))
    np.testing.assert_array_equal(
        np.argsort(found.ravel(), kind="stable"), np.argsort(numbers.ravel(), kind="stable")
    )
