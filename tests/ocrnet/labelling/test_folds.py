"""Folds hold out every image once, and groups stay whole."""

from pathlib import Path

import numpy as np
import pytest

from ocrnet.errors import DataError
from ocrnet.labelling.folds import fold_key
from ocrnet.training.folds import split_folds
from tests.base_params import params_with
from tests.ocrnet.conftest import toy_params, write_toy_set


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


def test_a_kept_fold_is_that_of_what_its_training_reads(tmp_path: Path) -> None:
    """Also of the metric that chooses its weights, and not of what the evaluation alone reads."""
    folder = write_toy_set(tmp_path, counts={"train": 2, "val": 1}, size=(64, 64))
    values = toy_params().model_dump(mode="json", by_alias=True)
    values["data"] |= {"things": ["square"]}

    def key(**evaluate: object) -> str:
        given = values | {"evaluate": values["evaluate"] | evaluate}
        return fold_key(params_with(given), folder, 3)

    assert key() == key(bootstrap=999, min_object_area=7)
    assert len({key(), key(metric="pq"), key(metric="ap50")}) == 3
