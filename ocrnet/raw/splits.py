"""The assignment of images to train, val and test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ocrnet.config import Params
from ocrnet.data.manifest import SPLITS, pixel_columns
from ocrnet.errors import DataError
from ocrnet.raw.stratify import Groups, divide, hash_place

UNLEARNED = "E127"
NEEDED_GROUPS = len(SPLITS)  # groups that a class needs to be in every split


@dataclass(frozen=True)
class SplitPlan:
    """The split of each image, and the problems of the splits.

    Args:
        splits: Split of each row; None where it is undecided.
        groups: Group of each row; where the split is drawn, groups that share a picture are joined.
        refusals: Reasons why there is no valid split, one line each that starts with its code.
        notes: Remarks for the user, one line each.
    """

    splits: tuple[str | None, ...]
    groups: tuple[str, ...]
    refusals: tuple[str, ...]
    notes: tuple[str, ...]

    def split_column(self, table: pd.DataFrame) -> "pd.Series[Any]":
        """Return the splits as a column of the table that the plan was made for."""
        return pd.Series(self.splits, index=table.index, dtype=object)


def plan_splits(table: pd.DataFrame, params: Params) -> SplitPlan:
    """Return the split of each row: the published one, or one drawn by group. `validate` and `prepare` both call it.

    With `prepare.missing_splits: from_train`, splits that a published one lacks are drawn from its training images.

    Args:
        table: Rows with id, group, split, image and copy_of, and a column of pixels for each class.
        params: Params with the shares and the seed of the drawn split.
    """
    published = bool(table["split"].notna().all())
    there = set(table["split"]) if published else set()
    from_train = params.prepare.missing_splits == "from_train"
    draws = from_train or not published
    wanted = [split for split in SPLITS if draws and split not in there]  # splits to draw
    rows = np.array([not published or split == "train" for split in table["split"]], dtype=bool)
    groups = np.array([str(group) for group in table["group"]], dtype=object)
    splits = np.array(list(table["split"]) if published else [None] * len(table), dtype=object)
    refusals: list[str] = []
    if wanted:
        if not params.data.allow_duplicates:
            groups[rows] = _join_copies(table[rows])
        refusals = _refusals(len(set(groups[rows])), params)
    if wanted and not refusals:
        drawn = _draw(table[rows], list(groups[rows]), params)
        splits[rows] = [split if split in wanted else "train" for split in drawn]
    divided = table.assign(split=pd.Series(splits, index=table.index, dtype=object), group=groups)
    notes = [] if refusals else class_lines(divided, params, published=published)
    if not params.validate_.allow_unlearned:
        refusals += [line for line in notes if line.startswith(UNLEARNED)]
        notes = [line for line in notes if not line.startswith(UNLEARNED)]
    return SplitPlan(tuple(splits), tuple(groups), tuple(refusals), tuple(notes))


def assign_splits(table: pd.DataFrame, params: Params) -> list[str]:
    """Return the split of each row: the published one, or one drawn by group.

    Raises:
        DataError: There are too few groups, or the shares leave a split without images.
    """
    plan = plan_splits(table, params)
    if plan.refusals:
        raise DataError("\n".join(plan.refusals))
    return [str(split) for split in plan.splits]


def _draw(table: pd.DataFrame, groups: Sequence[str], params: Params) -> list[str]:
    shows = _shown(table, params.data.classes)
    frame = shows.assign(group=list(groups), size=1).groupby("group", sort=True)
    shown, sizes = frame[list(shows.columns)].any(), frame["size"].sum()
    names = [str(name) for name in sizes.index]
    found = divide(
        Groups(names, sizes.to_numpy(dtype=np.int64), shown.to_numpy(dtype=bool)),
        val_share=params.prepare.val_share, test_share=params.prepare.test_share,
        seed=params.prepare.split_seed,
    )  # fmt: skip
    by_name = dict(zip(names, found, strict=True))
    return [by_name[group] for group in groups]


def _shown(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return whether each image has a pixel of each class; False where pixels were not counted."""
    columns = pixel_columns(classes)[: len(classes)]
    return pd.DataFrame({
        column: table[column].fillna(0).to_numpy() > 0 if column in table else np.zeros(len(table), bool)
        for column in columns
    })  # fmt: skip


def _refusals(groups: int, params: Params) -> list[str]:
    """Return why no split can be drawn."""
    val, test = params.prepare.val_share, params.prepare.test_share
    place = "params.yaml: prepare"
    empty = [name for name, share in (("val", val), ("test", test)) if share == 0]
    if empty:
        return [
            f"E126 {place}.{empty[0]}_share is 0, but each split needs images. Set a share above 0, such as 0.15."
        ]
    if groups < len(SPLITS):
        return [
            f"E126 {groups} groups cannot fill train, val and test: images of one group (data.group_by, or the same "
            "picture twice) stay together. Add images of other groups, set another data.group_by, or write "
            "splits/train.txt, splits/val.txt and splits/test.txt."
        ]
    return []


def _join_copies(table: pd.DataFrame) -> list[str]:
    """Return the group of each row; groups that share a picture get the first of their names."""
    first: dict[str, str] = {}

    def root(name: str) -> str:
        while first.get(name, name) != name:
            name = first[name]
        return name

    for _, rows in table[table["copy_of"] != ""].groupby("copy_of", sort=True):
        roots = sorted({root(str(group)) for group in rows["group"]})
        first.update(dict.fromkeys(roots[1:], roots[0]))
    return [root(str(group)) for group in table["group"]]


def keep_fraction(table: pd.DataFrame, *, fraction: float, seed: int) -> "pd.Series[bool]":
    """Return which rows to keep for a share of the training split; val and test stay whole.

    Each group keeps one stretch of neighbours by id, at least one image: frames of a drive that are seconds apart
    are nearly the same image, and scattered frames would show the whole drive. Where no two training images share a
    group, all of them together are one group. The stretch of a smaller fraction is part of that of a larger one.

    Args:
        table: Rows with id, split and group; every row has a split.
        fraction: Share of each group's images to keep, above 0.
        seed: Random seed; with the name of a group it decides where its stretch starts.
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
        start = int(hash_place(str(name), seed, "stretch") * (len(rows) - count + 1))
        kept[rows.index[start : start + count]] = True
    return kept


def class_lines(table: pd.DataFrame, params: Params, *, published: bool) -> list[str]:
    """Return a line for each class without a pixel in some split.

    Args:
        table: Rows with split, group and the pixels of each class; every row has a split.
        params: Params with the classes.
        published: Whether the set came with its split.
    """
    shown = _shown(table, params.data.classes)
    if not set(pixel_columns(params.data.classes)) & set(table.columns):
        return []
    lines = []
    for name, column in zip(params.data.classes, shown.columns, strict=True):
        rows = table[shown[column].to_numpy()]
        missing = [split for split in SPLITS if split not in set(rows["split"])]
        groups = rows["group"].nunique()
        if not missing:
            continue
        if groups == 0:
            lines.append(
                f"Warning: class {name!r} has no pixel in the whole set, so it is neither learned nor scored. Check "
                "data.label_map (do the ids start at 1?), or remove it from data.classes."
            )
            continue
        found = (
            f"{_and(missing)} {'has' if len(missing) == 1 else 'have'} no pixel of class {name!r}"
        )
        where = f"it is in {len(rows)} images of {groups} groups"
        if "train" in missing:
            lines.append(
                f"{UNLEARNED} {found} ({where}), so no model can learn it and its IoU is 0. Move some of "
                "its images to train, remove the published split so that one is drawn, or set "
                "validate.allow_unlearned: true to continue."
            )
            continue
        cure = (
            "Move some of its images there."
            if published and groups >= NEEDED_GROUPS
            else "Label more of it."
        )
        effect = "scored" if "test" in missing else "monitored during training"
        lines.append(f"Warning: {found} ({where}), so it is not {effect}. {cure}")
    return lines


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)
