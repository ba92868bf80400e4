"""Choice of the pairs to keep: all good ones, and as many others as are needed to keep every class.

A pair is dropped if too many of its pixels are wrong, and its right pixels are lost with it. A class that occurs mostly
in such pairs would disappear from the data. So the pairs with the fewest wrong pixels are readmitted until the lost
share of each class, by dropped pairs and by the pixel filter together, can meet its limit. Copies of training images
are not readmitted: they add nothing to the training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ocrnet.config import SelectParams
from ocrnet.gan.selection.pair_scores import ScoredPair

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """The pairs that are kept and the pairs that are dropped.

    Args:
        kept: Pairs that are kept, sorted by id.
        dropped: Pairs that are dropped, sorted by id.
        readmitted: Number of kept pairs that were readmitted for a class that would be lost.
        saved: Ids of these classes.
        most: Share of each class's pixels in kept pairs that the pixel filter may reject.
    """

    kept: tuple[ScoredPair, ...]
    dropped: tuple[ScoredPair, ...]
    readmitted: int
    saved: frozenset[int]
    most: Shares


def choose_pairs(pairs: Sequence[ScoredPair], params: SelectParams) -> Choice:
    """Choose the pairs to keep so that no class need lose more than `warn_rejected`; copies do not count as lost.

    If no pair is good, none is kept.
    """
    bad = [pair for pair in pairs if not pair.is_good(params)]
    good = [pair for pair in pairs if pair.is_good(params)]
    waiting = [pair for pair in bad if pair.original is None] if good else []
    made = _pixels(good, pairs) + _pixels(waiting, pairs)
    budget = np.asarray(params.warn_rejected * made, dtype=np.float64)
    saved: set[int] = set()
    back: set[str] = set()
    while (over := _pixels(waiting, pairs) - budget).max(initial=0.0) > 0:
        # The class whose lost share exceeds its budget most; each round brings back some of its pixels.
        class_id = int(np.argmax(over / np.maximum(made, 1)))
        best = min(
            (pair for pair in waiting if pair.pixels[class_id]),
            key=lambda pair: (pair.rejected_share, pair.id),
        )
        waiting = [pair for pair in waiting if pair is not best]
        saved.add(class_id)
        back.add(best.id)
    dropped = tuple(pair for pair in bad if pair.id not in back)
    out = {pair.id for pair in dropped}
    kept = tuple(pair for pair in pairs if pair.id not in out)
    most = _left(budget, _pixels(waiting, pairs), _pixels(kept, pairs), limit=params.warn_rejected)
    return Choice(kept, dropped, len(back), frozenset(saved), most)


def _pixels(some: Sequence[ScoredPair], pairs: Sequence[ScoredPair]) -> npt.NDArray[np.int64]:
    zero = np.zeros_like(pairs[0].pixels) if pairs else np.zeros(0, dtype=np.int64)
    return np.asarray(sum((pair.pixels for pair in some), start=zero))


def _left(
    budget: Shares, lost: npt.NDArray[np.int64], kept: npt.NDArray[np.int64], *, limit: float
) -> Shares:
    """Return the share that the pixel filter may reject after `lost` pixels of each class were dropped with pairs."""
    share = np.clip((budget - lost) / np.maximum(kept, 1), 0.0, 1.0)
    return np.where(lost == 0, limit, share)
