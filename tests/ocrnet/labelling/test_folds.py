"""Folds hold out every image once, and groups stay whole."""

import numpy as np
import pytest

from ocrnet.errors import DataError
from ocrnet.training.folds import split_folds


def test_every_image_is_in_one_fold_with_its_whole_group() -> None:
    groups = [f"drive_{index % 7}" for index in range(40)]
    folds = split_folds(groups, 3)
    assert np.sum(folds, axis=0).tolist() == [1] * 40
    for name in set(groups):
        rows = np.array([one == name for one in groups])
        assert sum(bool(fold[rows].any()) for fold in folds) == 1
    sizes = [int(fold.sum()) for fold in folds]
    assert max(sizes) - min(sizes) <= 6  # the size of a group


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(DataError, match="found 3, but the training images are of 2 groups"):
        split_folds(["a", "b", "a"], 3)
