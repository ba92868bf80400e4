"""Splits that a published set lacks, such as the labelled test images of VOC and Cityscapes.

They are refused, or drawn from the training images if `prepare.missing_splits` says so (`ocrnet.raw.splits`).
"""

from collections.abc import Collection

from ocrnet.config import Params
from ocrnet.data.manifest import SPLITS
from ocrnet.raw.sources.split_lists import CURE as LISTS

FROM_TRAIN = "from_train"
CURE = f"{LISTS}. Or set prepare.missing_splits: {FROM_TRAIN}, which draws them from the training images"


def lacking_splits(found: Collection[str | None], params: Params) -> list[str]:
    """Return the splits that are missing and that may not be drawn from the training images.

    Args:
        found: Splits of the images that the set publishes.
        params: Params with `prepare.missing_splits`.
    """
    missing = [split for split in SPLITS if split not in found]
    if params.prepare.missing_splits == FROM_TRAIN and "train" in found:
        return []
    return missing
