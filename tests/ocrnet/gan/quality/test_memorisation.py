"""Memory as a whole, on vectors of one number."""

import numpy as np
import pytest

from ocrnet.gan.quality.features import FeatureSet
from ocrnet.gan.quality.memorisation import mean_pairwise, memory, nearest_distances


def vectors(name: str, *values: float) -> FeatureSet:
    ids = tuple(f"{name}{i}" for i in range(len(values)))
    return FeatureSet(ids, np.array(values, dtype=np.float64)[:, None], frozenset({(4, 4)}))


TRAIN = vectors("t", 0.0, 1.0, 3.0, 10.0)


def test_the_distance_is_that_of_the_nearest_training_image() -> None:
    assert nearest_distances(vectors("f", 2.6, 30.0), TRAIN) == pytest.approx([0.4, 20.0])


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
