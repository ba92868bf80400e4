"""COCO's run lengths of the objects of an image."""

from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32
from pycocotools import mask as coco_mask

Runs = dict[str, Any]  # {"size": [H, W], "counts": COCO's text of the run lengths}


def encode_objects(numbers: Int32[np.ndarray, "H W"], count: int) -> list[Runs]:
    """Return the run lengths of the objects 1 to `count`, each of which has a pixel, in one pass over the map."""
    columns = numbers.T.ravel()
    starts = np.flatnonzero(np.diff(columns, prepend=-1))
    ends = np.append(starts[1:], columns.size)
    values = columns[starts]
    order = np.argsort(values, kind="stable")
    firsts = np.searchsorted(values[order], np.arange(1, count + 2))
    found = []
    for first, last in pairwise(firsts.tolist()):
        own = order[first:last]
        edges = np.stack([starts[own], ends[own]], axis=1).ravel()
        runs = np.diff(edges, prepend=0, append=columns.size)
        found.append(_encoded(runs.tolist(), numbers.shape))
    return found


def encode_mask(mask: Bool[np.ndarray, "H W"]) -> Runs:
    """Return the run lengths of a mask that is not empty."""
    return encode_objects(mask.astype(np.int32), 1)[0]


def _encoded(runs: list[int], size: tuple[int, ...]) -> Runs:
    height, width = size
    plain: Any = {"size": [height, width], "counts": runs}
    counts = coco_mask.frPyObjects(plain, height, width)["counts"]
    text = counts if isinstance(counts, str) else counts.decode("ascii")
    return {"size": [height, width], "counts": text}
