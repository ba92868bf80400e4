"""Unlabelled images beside the labelled ones: none of them may show what val or test shows.

A training on a copy of a test image, or on another image of its group, would make the scores too good, with or
without a label map. A copy of a training image adds nothing, so it is left out.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ocrnet.config import Params
from ocrnet.config.arms import uses_unlabelled
from ocrnet.config.gan import LABELLED
from ocrnet.raw.duplicates import find_twins

HELD_OUT = ("val", "test")
OVERLAP = "E128"
NONE_FOUND = "E129"


def overlap_lines(
    unlabelled: pd.DataFrame,
    labelled: pd.DataFrame,
    thumbnails: Mapping[str, npt.NDArray[np.float32]],
    *,
    by_group: bool,
) -> list[str]:
    """Return a line for each unlabelled image that shows a picture, or is of a group, of val or test.

    Args:
        unlabelled: Scan of the unlabelled images.
        labelled: Scan of the others, with the split of each.
        thumbnails: Thumbnails by id, of both.
        by_group: Whether `data.group_by` names the groups.
    """
    held_out = labelled[labelled["split"].isin(HELD_OUT)]
    rows = {row["id"]: row for row in held_out.to_dict("records")}
    of_group = {row["group"]: row for row in reversed(rows.values())} if by_group else {}
    twins = dict(find_twins(unlabelled, held_out, thumbnails))
    lines = []
    for row in unlabelled.to_dict("records"):
        cure = "Remove it from the unlabelled images."
        if row["id"] in twins:
            other = _named(rows[twins[row["id"]]])
            lines.append(
                f"{OVERLAP} {row['image']} shows the same picture as {other}, which no training may see. {cure}"
            )
        elif row["group"] in of_group:
            other = _named(of_group[row["group"]])
            lines.append(
                f"{OVERLAP} {row['image']} is of the group {row['group']!r} (data.group_by), and so is {other}, whose "
                f"group no training may see. {cure}"
            )
    return lines


def none_found_lines(count: int, params: Params) -> list[str]:
    """Return a line if an arm or the GAN needs unlabelled images and the set has none.

    Args:
        count: Number of unlabelled images that were found.
        params: Params with the arms, and with the rest of a training fraction.
    """
    fraction, rest = params.prepare.train_fraction, params.prepare.rest
    has_rest = rest == "unlabelled" and fraction < 1
    arms = [arm for arm in params.retrain.arms if uses_unlabelled(arm)]
    askers = [f"{', '.join(arms)} of retrain.arms"] if arms else []
    askers += ["train_gan.pairs"] if params.train_gan.sees_unlabelled else []
    if count or has_rest or not askers:
        return []
    cure = "remove the arm" if arms else f"set train_gan.pairs to {LABELLED}"
    return [
        f"{NONE_FOUND} {askers[0]} needs unlabelled images, but every image has a label map. Put "
        f"some into data.unlabelled, or {cure}."
    ]


def without_copies(unlabelled: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """Return the unlabelled images without exact copies of training images and of each other.

    Args:
        unlabelled: Rows with `image_sha256`, in the order in which the first of equal ones stays.
        train: Rows of the labelled training images.
    """
    known = unlabelled["image_sha256"].isin(train["image_sha256"])
    return unlabelled[~known & ~unlabelled["image_sha256"].duplicated()]


def _named(row: Mapping[Any, Any]) -> str:
    return f"the {row['split']} image {row['image']}"
