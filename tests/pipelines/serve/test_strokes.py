"""Strokes of a brush become classes: by hand-computed pixels, and for any strokes."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ocrnet.data.manifest import ClassTable
from pipelines._serve.strokes import layers_of, painted

CLASSES = ClassTable(("red", "green", "olive"), ((200, 0, 0), (0, 200, 0), (100, 100, 0)))
BEFORE = np.array([[0, 1, 2, 255]], dtype=np.uint8)


def strokes(*pixels: tuple[int, int, int, int]) -> npt.NDArray[np.uint8]:
    return np.array([pixels], dtype=np.uint8)


def test_a_stroke_gives_its_class_and_the_rest_stays() -> None:
    found = painted(
        BEFORE,
        strokes((0, 200, 0, 255), (0, 0, 0, 0), (199, 2, 0, 255), (200, 0, 0, 128)),
        CLASSES,
    )
    assert found.tolist() == [[1, 1, 0, 0]]
    assert BEFORE.tolist() == [[0, 1, 2, 255]]


def test_the_soft_edge_of_a_stroke_counts_from_half_of_its_colour() -> None:
    found = painted(BEFORE, strokes(*[(0, 200, 0, alpha) for alpha in (0, 1, 127, 128)]), CLASSES)
    assert found.tolist() == [[0, 1, 2, 1]]


def test_mixed_colours_of_two_strokes_are_no_third_class() -> None:
    """Half red and half green is olive, which was not painted."""
    found = painted(
        BEFORE,
        strokes((200, 0, 0, 255), (110, 90, 0, 255), (90, 110, 0, 255), (0, 200, 0, 255)),
        CLASSES,
    )
    assert found.tolist() == [[0, 0, 1, 1]]


def test_strokes_on_a_smaller_picture_are_enlarged() -> None:
    before = np.zeros((2, 4), dtype=np.uint8)
    found = painted(before, strokes((0, 0, 0, 0), (100, 100, 0, 255)), CLASSES)
    assert found.tolist() == [[0, 0, 2, 2], [0, 0, 2, 2]]


@given(
    arrays(np.uint8, (5, 6, 4)), arrays(np.uint8, (5, 6), elements=st.sampled_from([0, 1, 2, 255]))
)
def test_any_strokes_give_classes_and_change_only_painted_pixels(
    layer: npt.NDArray[np.uint8], before: npt.NDArray[np.uint8]
) -> None:
    found = painted(before, layer, CLASSES)
    taken = layer[..., 3] >= 128
    assert np.array_equal(found[~taken], before[~taken])
    assert set(np.unique(found[taken])) <= {0, 1, 2}


def test_the_upper_layer_hides_the_lower_one() -> None:
    lower = strokes((200, 0, 0, 255), (200, 0, 0, 255))
    upper = strokes((0, 0, 0, 0), (0, 200, 0, 255))
    whole = layers_of({"layers": [lower, upper]})
    assert whole is not None
    assert whole.tolist() == [[[200, 0, 0, 255], [0, 200, 0, 255]]]
    assert layers_of({"layers": []}) is None
    assert layers_of(None) is None
