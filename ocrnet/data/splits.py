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
    digest = hashlib.sha256(f"{seed}\0{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
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


def _refuse_empty(splits: Sequence[str], *, groups: int) -> None:
    missing = [name for name in SPLITS if name not in splits]
    if missing:
        raise DataError(
            f"E126 {groups} groups leave {', '.join(missing)} without images. Raise its share in "
            "params.yaml: prepare, change prepare.split_seed, or write splits/train.txt, "
            "val.txt and test.txt."
        )
