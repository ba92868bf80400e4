"""Which pairs are kept: all that are good enough, and as many of the others as are needed to keep every class.

A pair is dropped whole when too many of its pixels are wrong, and its right pixels are lost with it. A class that
occurs mostly in such pairs would vanish from the data. So the least wrong of them are readmitted until the share of
each class that is lost, in dropped pairs and by the pixel filter together, can meet its limit. Copies of training
images are not readmitted: training has them already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Int64

from ocrnet.config import SelectParams
from ocrnet.gan.quality.detail import Original

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """A pair with its scores, after all pairs have been scored.

    Args:
        row: Row of the pair in its manifest.
        pixels: Number of pixels per class.
        wrong_share: Share of its valid pixels that are above the calibrated thresholds.
        hardness: Hardness of the label map.
        original: Training image that it is a copy of, or None.
    """

    row: dict[str, Any]
    pixels: Int64[np.ndarray, " K"]
    wrong_share: float
    hardness: float
    original: Original | None

    def reasons(self, params: SelectParams) -> list[str]:
        """Return why the pair is to be dropped whole; empty if it is not."""
        reasons = []
        if self.wrong_share > params.max_rejected:
            reasons.append(
                f"{self.wrong_share:.3f} of the pixels rejected, select.max_rejected is {params.max_rejected}"
            )
        if self.original is not None:
            reasons.append(
                f"copy of {self.original.id}: {self.original.own:.3g} of its detail is its own, "
                f"select.near_copy is {params.near_copy}"
            )
        return reasons


@dataclass(frozen=True)
class Choice:
    """Which pairs are kept and which are dropped.

    Args:
        kept: Pairs that are kept, by id.
        dropped: Pairs that are dropped, by id.
        readmitted: Number of kept pairs that were readmitted for a class that would be lost.
        saved: Ids of these classes.
        most: Share of each class's pixels in kept pairs that the pixel filter may reject.
    """

    kept: tuple[Judged, ...]
    dropped: tuple[Judged, ...]
    readmitted: int
    saved: frozenset[int]
    most: Shares


def choose_pairs(pairs: Sequence[Judged], params: SelectParams) -> Choice:
    """Choose the pairs that stay, so that no class need lose more than `warn_rejected`; copies do not count as lost.

    If no pair is good enough by itself, none is kept.
    """
    bad = [pair for pair in pairs if pair.reasons(params)]
    good = [pair for pair in pairs if not pair.reasons(params)]
    waiting = [pair for pair in bad if pair.original is None] if good else []
    made = _pixels(good, pairs) + _pixels(waiting, pairs)
    budget = np.asarray(params.warn_rejected * made, dtype=np.float64)
    saved: set[int] = set()
    back: set[str] = set()
    while (over := _pixels(waiting, pairs) - budget).max(initial=0.0) > 0:
        # The class that has lost the greatest share of what it had; each round brings back some of it.
        class_id = int(np.argmax(over / np.maximum(made, 1)))
        best = min(
            (pair for pair in waiting if pair.pixels[class_id]),
            key=lambda pair: (pair.wrong_share, pair.row["id"]),
        )
        waiting = [pair for pair in waiting if pair is not best]
        saved.add(class_id)
        back.add(best.row["id"])
    dropped = tuple(pair for pair in bad if pair.row["id"] not in back)
    out = {pair.row["id"] for pair in dropped}
    kept = tuple(pair for pair in pairs if pair.row["id"] not in out)
    most = _left(budget, _pixels(waiting, pairs), _pixels(kept, pairs), limit=params.warn_rejected)
    return Choice(kept, dropped, len(back), frozenset(saved), most)


def _pixels(some: Sequence[Judged], pairs: Sequence[Judged]) -> npt.NDArray[np.int64]:
    zero = np.zeros_like(pairs[0].pixels) if pairs else np.zeros(0, dtype=np.int64)
    return np.asarray(sum((pair.pixels for pair in some), start=zero))


def _left(
    budget: Shares, lost: npt.NDArray[np.int64], kept: npt.NDArray[np.int64], *, limit: float
) -> Shares:
    """Return the share that the pixel filter may reject after `lost` pixels of each class were dropped with pairs."""
    share = np.clip((budget - lost) / np.maximum(kept, 1), 0.0, 1.0)
    return np.where(lost == 0, limit, share)
