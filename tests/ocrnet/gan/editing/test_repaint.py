"""A repainted image keeps what was not edited, and fits where it was."""

import numpy as np
import pytest
from scipy import ndimage

from ocrnet.data.manifest import ClassTable
from ocrnet.errors import DataError
from ocrnet.gan.editing.repaint import FEATHER, GROW, match_colours, paint_weight, repaint

SIZE = (40, 50)


class Flat:
    """Paints each class in one colour with grain, far from the photograph's."""

    class_table = ClassTable(("floor", "square"), ((0, 0, 0), (255, 0, 0)))
    sha256 = "f1a7" * 16

    def __init__(self, colours: dict[int, int], grain: float = 12.0) -> None:
        self._colours, self._grain = colours, grain
        self.before: np.ndarray | None = None

    def paint(
        self, label_map: np.ndarray, *, seed: int, before: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the image of a label map."""
        self.before = before
        grain = np.random.default_rng(seed).normal(0.0, self._grain, (*label_map.shape, 1))
        flat = np.vectorize(self._colours.__getitem__)(label_map)[..., None]
        painted = np.clip(np.repeat(flat + grain, 3, axis=2), 0, 255)
        return np.asarray(painted, dtype=np.uint8)


def photograph() -> tuple[np.ndarray, np.ndarray]:
    """Return a scene of class 0 at about 100 with a square of class 1 at about 200, and its label map."""
    label_map = np.zeros(SIZE, np.uint8)
    label_map[5:17, 5:17] = 1
    grain = np.random.default_rng(3).normal(0.0, 4.0, (*SIZE, 3))
    image = np.where(label_map[..., None] == 1, 200.0, 100.0) + grain
    return image.round().astype(np.uint8), label_map


def paint(image: np.ndarray, original: np.ndarray, edited: np.ndarray, seed: int = 0) -> np.ndarray:
    painter = Flat({0: 40, 1: 90, 2: 240})
    return repaint(image, original, edited, painter=painter, ignore_index=255, seed=seed)


def test_the_painter_is_told_what_was_there_so_that_styles_stay() -> None:
    image, original = photograph()
    edited = original.copy()
    edited[24:30, 30:36] = 1
    painter = Flat({0: 40, 1: 90})
    repaint(image, original, edited, painter=painter, ignore_index=255, seed=0)
    assert painter.before is not None
    assert np.array_equal(painter.before, original)


def test_every_pixel_beyond_the_rim_is_kept_to_the_bit() -> None:
    image, original = photograph()
    edited = original.copy()
    edited[24:30, 30:36] = 1
    result = paint(image, original, edited)
    changed = original != edited
    rim = np.hypot(*np.indices((13, 13)) - 6) < GROW + FEATHER
    near = ndimage.binary_dilation(changed, rim)
    assert np.array_equal(result[~near], image[~near])
    assert (result[changed] != image[changed]).mean() > 0.9


def test_a_class_takes_the_colours_that_it_has_in_the_photograph() -> None:
    """The painter's 40 and 90 with a grain of 12 become the photograph's 100 and 200 with one of 4."""
    image, original = photograph()
    edited = original.copy()
    edited[22:34, 26:38] = 1
    inside = np.zeros(SIZE, np.bool_)
    inside[23:33, 27:37] = True
    result = paint(image, original, edited)[inside]
    assert result.mean() == pytest.approx(200.0, abs=3.0)
    assert result.mean(axis=-1).std() == pytest.approx(
        image.mean(axis=-1)[original == 0].std(), rel=0.4
    )


def test_an_object_that_is_erased_leaves_the_surface_and_its_uneven_light() -> None:
    """The light grows by 2 from column to column: 60 to 82 in the hole, where the image's mean would be 98."""
    image, original = photograph()
    lit = np.clip(image.astype(np.int64) - 50 + 2 * np.arange(SIZE[1])[None, :, None], 0, 255)
    result = paint(lit.astype(np.uint8), original, np.zeros_like(original)).astype(float)
    surface = 50 + 2 * np.arange(SIZE[1])
    filled = result[5:17, 5:17].mean(axis=(0, 2))
    assert filled == pytest.approx(surface[5:17], abs=12.0)


def test_a_class_that_the_edit_takes_away_elsewhere_keeps_its_mean() -> None:
    image, original = photograph()
    edited = np.roll(original, (18, 25), (0, 1))  # moved, so that no pixel of it is kept
    result = paint(image, original, edited)
    assert result[edited == 1].mean() == pytest.approx(200.0, abs=4.0)


def test_a_class_new_to_the_image_is_lit_as_the_rest() -> None:
    """Where both can be seen the photograph is 2.5 times as light as the painting."""
    painted = np.where(np.arange(50)[None, :, None] < 40, 40.0, 60.0) * np.ones((*SIZE, 3))
    wanted = np.broadcast_to((np.arange(50) >= 40).astype(np.uint8) * 2, SIZE).copy()
    image, kept = np.full((*SIZE, 3), 100.0), wanted == 0
    matched = match_colours(
        painted, image, original=np.zeros_like(wanted), wanted=wanted, kept=kept
    )
    assert matched[wanted == 2] == pytest.approx(np.full((400, 3), 150.0))


def test_what_the_edit_ignores_is_kept_and_an_edit_of_nothing_refused() -> None:
    image, original = photograph()
    edited = original.copy()
    edited[20:30, 20:30] = 255
    with pytest.raises(DataError, match="nothing was edited"):
        paint(image, original, edited)
    edited[35, 45] = 1
    assert np.array_equal(paint(image, original, edited)[20:28, 20:30], image[20:28, 20:30])


def test_the_seed_decides() -> None:
    image, original = photograph()
    edited = original.copy()
    edited[24:30, 30:36] = 1
    assert np.array_equal(paint(image, original, edited, 1), paint(image, original, edited, 1))
    assert (paint(image, original, edited, 1) != paint(image, original, edited, 2)).any()


def test_the_rim_falls_from_all_to_nothing() -> None:
    changed = np.zeros((1, 30), np.bool_)
    changed[0, :5] = True
    weight = paint_weight(changed)[0]
    assert np.all(weight[: 5 + GROW] == 1.0)
    assert np.all(np.diff(weight) <= 0)
    assert np.all(weight[4 + GROW + FEATHER :] == 0.0)
    assert 0.0 < weight[4 + GROW + 1] < 1.0
