"""A copy is known by its detail, however it was altered; a painting of the same layout is none."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from ocrnet.gan.quality.near_duplicates import (
    Original,
    detail,
    layout_span,
    near_copies,
    nearest_originals,
    own_shares,
)

SHAPE = (60, 80)
COPY = 0.25  # select.near_duplicate
Pixels = npt.NDArray[np.uint8]


def texture(seed: int, strength: float) -> npt.NDArray[np.float64]:
    """Return grain of two sizes, as a photograph has it."""
    rng = np.random.default_rng(seed)
    grains = [gaussian_filter(rng.normal(size=SHAPE), sigma) for sigma in (2.0, 4.0)]
    return np.asarray(strength * sum(grain / grain.std() for grain in grains))


def layout(seed: int) -> Pixels:
    """Return a label map of a horizon and two boxes."""
    rng = np.random.default_rng(seed)
    label_map = np.zeros(SHAPE, dtype=np.uint8)
    label_map[rng.integers(20, 40) :] = 1
    for class_id in (2, 3):
        top, left = int(rng.integers(5, 40)), int(rng.integers(5, 60))
        label_map[top : top + 12, left : left + 15] = class_id
    return label_map


def photograph(seed: int, *, label_map: Pixels | None = None, strength: float = 20.0) -> Pixels:
    """Return a textured picture of a label map, each class in its grey."""
    grey = np.array([150, 90, 200, 50])[layout(seed) if label_map is None else label_map]
    return rounded(np.repeat((grey + texture(seed, strength))[..., None], 3, axis=2))


def rounded(image: npt.NDArray[Any]) -> Pixels:
    return np.asarray(np.clip(np.rint(image), 0, 255), dtype=np.uint8)


TRAIN = [((f"t{i}", photograph(i)), layout(i)) for i in range(4)]
NOISE = np.random.default_rng(9).normal(0, 5, (*SHAPE, 3))
ALTERED: dict[str, Callable[[Pixels], npt.NDArray[Any]]] = {
    "exact": lambda image: image,
    "brighter": lambda image: image + 10.0,
    "less contrast": lambda image: 0.7 * image + 40,
    "tinted": lambda image: image + np.array([8.0, 0.0, -8.0]),
    "blurred": lambda image: gaussian_filter(image * 1.0, (1, 1, 0)),
    "noisy": lambda image: image + NOISE,
    "with an object put in": lambda image: np.where(layout(2)[..., None] == 2, 220.0, image),
}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("alteration", ALTERED)
def test_an_altered_copy_names_its_original(alteration: str, mirrored: bool) -> None:
    copy = rounded(ALTERED[alteration](TRAIN[2][0][1]))[:, :: -1 if mirrored else 1]
    found = nearest_originals([("fake", copy)], TRAIN)["fake"]
    assert (found.id, found.mirrored) == ("t2", mirrored)
    assert found.own < COPY


def test_a_copy_whose_classes_were_each_recoloured_is_still_one() -> None:
    label_map = TRAIN[1][1]
    recoloured = rounded(
        TRAIN[1][0][1] + np.array([20.0, -20.0, -60.0, 70.0])[label_map][..., None]
    )
    assert nearest_originals([("fake", recoloured)], TRAIN)["fake"].own < COPY


def test_a_painting_of_a_training_label_map_is_its_own() -> None:
    """It has the classes' greys where the original has them; with the layout left in it would pass for a copy."""
    label_map = TRAIN[1][1]
    original, painting = (photograph(i, label_map=label_map, strength=3.0) for i in (1, 77))
    known, row = detail(original).ravel(), detail(painting).reshape(1, -1)
    assert own_shares(row, known, np.zeros((known.size, 0)))[0] < COPY
    found = nearest_originals([("fake", painting)], [(("t1", original), label_map)])
    assert found["fake"].own > 0.9


def test_no_photograph_is_a_copy_of_another() -> None:
    found = nearest_originals([(str(i), photograph(i)) for i in range(10, 30)], TRAIN)
    assert min(original.own for original in found.values()) > 0.8


@given(st.floats(-1, 1), st.floats(0.01, 1))
def test_the_own_share_is_that_of_the_variance(common: float, own: float) -> None:
    """A detail a o + b p, with o and p of one length and a right angle, has b^2 / (a^2 + b^2) of its own."""
    original, other = np.array([3.0, 4.0, 0.0]), np.array([-4.0, 3.0, 0.0])
    row = (common * original + own * other)[None]
    share = own_shares(row, original, np.zeros((3, 0)))[0]
    # What is the negative of the original is not a copy of it.
    assert share == pytest.approx(own**2 / (common**2 + own**2) if common > 0 else 1.0)


def test_what_the_layout_accounts_for_is_taken_out_of_both() -> None:
    """With the first axis gone, (5, 1, 0) is (1, 0) and (9, 3, 4) is (3, 4): 1 - 3^2 / 5^2 = 0.64."""
    span = np.array([[1.0], [0.0], [0.0]])
    rows = np.array([[9.0, 3.0, 4.0], [7.0, 0.0, 0.0]])
    assert own_shares(rows, np.array([5.0, 1.0, 0.0]), span) == pytest.approx([0.64, 1.0])
    # Of an original that is all layout, only what is all layout too cannot be told.
    assert own_shares(rows, np.array([5.0, 0.0, 0.0]), span).tolist() == [1.0, 0.0]


def test_the_span_of_a_layout_has_a_column_less_than_it_has_classes() -> None:
    """All classes together cover the image, which has no detail."""
    span = layout_span(TRAIN[0][1])
    assert span.shape[1] == len(np.unique(TRAIN[0][1])) - 1
    assert span.T @ span == pytest.approx(np.eye(span.shape[1]))
    assert layout_span(np.full(SHAPE, 255, dtype=np.uint8)).shape[1] == 0


def test_drawings_without_any_texture_are_copies_where_the_layout_is_the_same() -> None:
    flat = np.array([150, 90, 200, 50], dtype=np.uint8)
    drawn, other = (np.repeat(flat[layout(i)][..., None], 3, axis=2) for i in (0, 1))
    originals = [(("t0", drawn), layout(0))]
    found = nearest_originals([("same", drawn), ("other", other)], originals)
    assert found["same"] == Original("t0", False, 0.0)
    assert found["other"].own == 1.0


def test_of_no_images_or_no_originals_nothing_is_said() -> None:
    assert nearest_originals([], TRAIN) == {}
    assert nearest_originals([("fake", photograph(0))], []) == {}


def test_a_copy_has_less_of_its_own_than_it_has_to_have_and_is_named_with_its_original() -> None:
    originals = {
        f"f{i}": Original(f"t{i}", False, own) for i, own in enumerate((0.0, 0.24, 0.25, 0.9))
    }
    assert near_copies(originals, least_own=0.25) == {
        name: originals[name] for name in ("f0", "f1")
    }
    found = [set(near_copies(originals, least_own=own)) for own in (0.0, 0.1, 0.5, 1.0)]
    assert [len(few) for few in found] == [0, 1, 3, 4]
    assert all(few <= many for few, many in pairwise(found))
