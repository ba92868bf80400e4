"""Copies and memory, on vectors of one number and on images."""

from itertools import pairwise

import numpy as np
import pytest

from ocrnet.quality.features import FeatureSet
from ocrnet.quality.neighbours import (
    copy_limit,
    mean_pairwise,
    memory,
    near_copies,
    nearest,
    own_distances,
)


def vectors(name: str, *values: float) -> FeatureSet:
    ids = tuple(f"{name}{i}" for i in range(len(values)))
    return FeatureSet(ids, np.array(values, dtype=np.float64)[:, None], frozenset({(4, 4)}))


TRAIN = vectors("t", 0.0, 1.0, 3.0, 10.0)  # to their nearest: 1, 1, 2 and 7


def test_the_nearest_training_image_and_its_distance() -> None:
    assert nearest(vectors("f", 2.6, 30.0), TRAIN) == [("t2", pytest.approx(0.4)), ("t3", 20.0)]


def test_the_limit_is_a_quantile_of_the_distances_of_training_images_to_each_other() -> None:
    assert own_distances(TRAIN.vectors).tolist() == [1.0, 1.0, 2.0, 7.0]
    assert copy_limit(TRAIN, quantile=0.5) == 1.5
    assert copy_limit(vectors("t", 5.0), quantile=0.5) == 0.0


def test_a_copy_is_named_with_its_original() -> None:
    copies = near_copies(vectors("f", 0.4, 11.2, 6.0), TRAIN, quantile=0.5)
    assert set(copies) == {"f0", "f1"}
    assert copies["f1"].id == "t3"


def test_where_training_images_stand_twice_an_exact_copy_is_still_one() -> None:
    train = vectors("t", 1.0, 1.0, 2.0, 2.0)
    assert set(near_copies(vectors("f", 1.0, 1.001), train, quantile=0.01)) == {"f0"}


def test_a_higher_quantile_finds_more_copies() -> None:
    fake = vectors("f", *np.linspace(-3, 14, 40))
    found = [set(near_copies(fake, TRAIN, quantile=q)) for q in (0.01, 0.3, 0.7, 1.0)]
    assert all(few <= many for few, many in pairwise(found))
    assert len(found[0]) < len(found[-1])


def test_memory_counts_the_pairs_in_which_the_painting_is_nearer() -> None:
    """Distances of paintings .1, .2, 1.5 and of real images .2, 1: nearer in 2 + 1.5 (a tie) + 0 of 6 pairs."""
    train = vectors("t", 0.0)
    found = memory(vectors("f", 0.1, 0.2, 1.5), vectors("v", 0.2, 1.0), train)
    assert found.auc == pytest.approx(3.5 / 6)


def test_memory_of_a_copier_alarms_and_of_fresh_images_does_not() -> None:
    rng = np.random.default_rng(0)
    train, fresh, held = (
        FeatureSet(tuple(f"{name}{i}" for i in range(80)), rng.normal(size=(80, 4)), frozenset())
        for name in "tfv"
    )
    copier = FeatureSet(fresh.ids, train.vectors + 0.05, frozenset())
    assert memory(copier, held, train).auc > 0.95
    assert memory(copier, held, train).p_value < 1e-6
    assert abs(memory(fresh, held, train).auc - 0.5) < 0.1


def test_memory_of_a_set_held_against_itself_is_a_half() -> None:
    same = vectors("v", 0.3, 0.3, 0.3)
    assert memory(same, same, vectors("t", 0.0, 1.0)).auc == 0.5


def test_the_mean_distance_of_two_leaves_out_a_vector_and_itself() -> None:
    assert mean_pairwise(np.array([[0.0], [1.0], [4.0]])) == pytest.approx((1 + 4 + 3) / 3)
    assert mean_pairwise(np.zeros((1, 3))) == 0.0
