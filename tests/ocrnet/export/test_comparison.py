"""The comparison of a file with its model: counts by hand."""

import numpy as np
import numpy.typing as npt
import pytest

from ocrnet.export.comparison import Agreement, Sample, compare, time_models
from tests.ocrnet.conftest import CLASSES

Labels = npt.NDArray[np.uint8]


class Reader:
    """Gives the red of each pixel as its class, and another class in the first columns."""

    def __init__(self, wrong: int = 0) -> None:
        self.wrong = wrong
        self.sizes: list[tuple[int, ...]] = []

    def label_map(self, image: Labels) -> Labels:
        self.sizes.append(image.shape[:2])
        found = image[..., 0].copy()
        found[:, : self.wrong] = (found[:, : self.wrong] + 1) % 3
        return found


class HeadReader(Reader):
    """Gives maps of instance heads, too, whose largest value is 10; one value is off by `off`."""

    def __init__(self, off: float = 0.0, *, planes: int = 3) -> None:
        super().__init__()
        self.off, self.planes = off, planes

    def head_maps(self, image: Labels) -> npt.NDArray[np.float32]:
        maps = np.zeros((self.planes, *image.shape[:2]), np.float32)
        maps[0, 0, 0] = 10
        maps[-1, -1, -1] = self.off
        return maps


def sample(*, labelled: bool = True) -> Sample:
    """Return an image of 70 x 100 whose upper half is class 0 and whose lower half is class 1."""
    label_map = np.zeros((70, 100), np.uint8)
    label_map[35:] = 1
    image = np.repeat(label_map[..., None], 3, axis=2)
    return Sample(image, label_map if labelled else None)


def test_shares_and_scores_are_those_counted_by_hand() -> None:
    found = compare(Reader(), Reader(wrong=10), [sample(), sample()], CLASSES)
    assert (found.images, found.pixels, found.equal) == (2, 14_000, 12_600)
    assert found.share == pytest.approx(0.9)
    # Per image, the first ten columns of 0 are given as 1, and those of 1 as 2.
    of_floor, of_square = 90 / 100, 90 / (100 + 10)
    assert found.miou is not None
    assert found.miou[0] == 1.0
    assert found.miou[1] == pytest.approx((of_floor + of_square) / 2)


def test_an_image_without_labels_leaves_no_score() -> None:
    found = compare(Reader(), Reader(), [sample(), sample(labelled=False)], CLASSES)
    assert found.miou is None
    assert found.share == 1.0


def test_sizes_that_no_stride_divides_are_compared_too() -> None:
    file = Reader()
    found = compare(Reader(), file, [sample()], CLASSES, odd=[sample()])
    assert file.sizes == [(70, 100), (69, 100), (70, 97), (65, 93)]
    assert found.pixels == sum(height * width for height, width in file.sizes)
    assert found.miou == (1.0, 1.0)


@pytest.mark.parametrize(
    ("equal", "miou", "is_int8", "good"),
    [
        (9990, (0.5, 0.1), False, True),  # in float32 only pixels count
        (9989, (0.5, 0.5), False, False),
        (5000, (0.5, 0.496), True, True),
        (9999, (0.5, 0.494), True, False),
        (9990, None, True, True),
        (9989, None, True, False),
    ],
)
def test_the_limits(
    equal: int, miou: tuple[float, float] | None, is_int8: bool, good: bool
) -> None:
    found = Agreement(images=1, pixels=10_000, equal=equal, miou=miou)
    assert found.is_good(is_int8=is_int8) == good


@pytest.mark.parametrize(
    ("off", "good"), [(0.0, True), (0.009, True), (-0.011, False), (np.nan, False)]
)
def test_maps_of_instance_heads_may_differ_by_a_thousandth(off: float, good: bool) -> None:
    found = compare(HeadReader(), HeadReader(off), [sample(), sample()], CLASSES)
    assert found.share == 1.0
    for is_int8 in (False, True):
        assert found.is_good(is_int8=is_int8) == good
    assert (
        compare(HeadReader(off), Reader(), [sample()], CLASSES).off is None
    )  # --objects was not asked for


def test_maps_of_another_shape_or_of_a_model_without_heads_do_not_agree() -> None:
    for model in (HeadReader(planes=4), Reader()):
        assert not compare(model, HeadReader(), [sample()], CLASSES).is_good(is_int8=False)


def test_models_take_turns() -> None:
    calls: list[str] = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def label_map(self, image: Labels) -> Labels:
            calls.append(self.name)
            return image[..., 0]

    times = time_models({name: Named(name) for name in "abc"}, [sample()], rounds=3)
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab"
    assert set(times) == set("abc")
    assert all(seconds >= 0 for seconds in times.values())
