"""Who is in train, val and test."""

import hashlib
import re
from collections.abc import Sequence

import pandas as pd

from ocrnet.config import Params
from ocrnet.data.duplicates import leak_lines
from ocrnet.data.manifest import SPLITS
from ocrnet.errors import DataError


def group_of(item: str, pattern: str | None) -> str:
    """Return the group of an id: the first group of the regex, or the id itself without one.

    Raises:
        DataError: the regex does not match.
    """
    if pattern is None:
        return item
    match = re.search(pattern, item)
    if match is None or not match.group(1):
        raise DataError(
            f"{item}: data.group_by {pattern!r} finds no group in this id. Write one that matches "
            "every id."
        )
    return match.group(1)


def split_of(group: str, *, seed: int, val_share: float, test_share: float) -> str:
    """Return the split of a group, from nothing but the group's name and the seed.

    So no file that is added or removed moves another one. Shares hold on average over groups.
    """
    place = _place(group, seed)
    if place < test_share:
        return "test"
    return "val" if place < test_share + val_share else "train"


def assign_splits(table: pd.DataFrame, params: Params) -> list[str]:
    """Return the split of each row: the published one, or one drawn by group.

    Raises:
        DataError: a split stays empty, or (E113) a picture stands in two of the drawn splits.
    """
    prepare = params.prepare
    if table["split"].notna().all():
        return table["split"].tolist()
    splits = [
        split_of(
            group, seed=prepare.split_seed, val_share=prepare.val_share,
            test_share=prepare.test_share,
        )
        for group in table["group"]
    ]  # fmt: skip
    _refuse_empty(splits, groups=table["group"].nunique())
    leaks = leak_lines(table.assign(split=splits))
    if leaks and not params.data.allow_duplicates:
        raise DataError("\n".join(leaks))
    return splits


def keep_fraction(table: pd.DataFrame, *, fraction: float, seed: int) -> "pd.Series[bool]":
    """Return which rows stay when only a share of the training split is kept; val and test stay whole.

    Of each group one stretch of neighbours by id stays, at least one image: frames of a drive that are seconds apart
    are nearly the same image, and scattered ones would show the whole drive. Where no two training images share a
    group, all of them together are one group. The stretch of a smaller fraction lies inside that of a larger one.

    Args:
        table: with the columns id, split and group; every row has a split.
        fraction: of the images of each group, above 0.
        seed: decides, with the name of the group, where its stretch lies.
    """
    kept = pd.Series(True, index=table.index)
    train = table[table["split"] == "train"]
    if fraction >= 1 or train.empty:
        return kept
    kept[train.index] = False
    groups = train["group"] if train["group"].duplicated().any() else train["split"]
    for name, rows in train.sort_values("id").groupby(groups):
        count = max(1, round(fraction * len(rows)))
        # One image more moves the start by at most one to the left, hence stretches are nested.
        start = int(_place(str(name), seed, "stretch") * (len(rows) - count + 1))
        kept[rows.index[start : start + count]] = True
    return kept


def _place(name: str, seed: int, *purpose: str) -> float:
    """Return a number in [0, 1) that depends on nothing but a name, the seed and what it is for."""
    digest = hashlib.sha256("\0".join([str(seed), *purpose, name]).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def _refuse_empty(splits: Sequence[str], *, groups: int) -> None:
    missing = [name for name in SPLITS if name not in splits]
    if missing:
        raise DataError(
            f"E126 {groups} groups leave {', '.join(missing)} without images. Raise its share in "
            "params.yaml: prepare, change prepare.split_seed, or write splits/train.txt, "
            "val.txt and test.txt."
        )
