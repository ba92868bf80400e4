"""Choice of the best of several paintings of one layout.

A global limit on the loss drops what is hard; a comparison of paintings of the same layout asks which of them shows it
best. The baseline reads every painting. The best one has the smallest share of wrong pixels, as a mean over the
classes of the layout, so that a thin crack counts as much as the background; with equal shares, the smallest mean loss.
A copy of a training image is taken only if all paintings are copies.
"""

import logging
from collections.abc import Sequence

from ocrnet.gan.selection.pair_scores import ScoredPair
from ocrnet.gan.selection.rejections import Rejections

logger = logging.getLogger(__name__)
LAYOUT = "layout"  # column of the pairs' manifest with the number of the layout, if it has several paintings


def best_paintings(pairs: Sequence[ScoredPair]) -> list[ScoredPair]:
    """Return the best painting of each layout, in order; pairs without a number of their layout are all returned."""
    best: dict[str, ScoredPair] = {}
    for pair in pairs:
        layout = pair.row.get(LAYOUT, pair.id)
        if layout not in best or _badness(pair) < _badness(best[layout]):
            best[layout] = pair
    return list(best.values())


def _badness(pair: ScoredPair) -> tuple[bool, float, float]:
    return pair.original is not None, pair.wrong_share_by_class, pair.loss


def keep_best(
    pairs: Sequence[ScoredPair], counted: Rejections
) -> tuple[list[ScoredPair], Rejections, dict[str, float]]:
    """Return the best painting of each layout, the counts of their rejected pixels, and metrics of the choice.

    Args:
        pairs: All paintings.
        counted: Counts of their rejected pixels.

    Returns:
        The best paintings, their counts, and, with several paintings of a layout:
        select/paintings: number of paintings.
        select/rejected_share_first: share of the pixels of each layout's first painting that is above the calibrated
            thresholds, which select/rejected_share_uncapped of the best ones is compared with.
    """
    best = best_paintings(pairs)
    if len(best) == len(pairs):
        return best, counted, {}
    first: dict[str, ScoredPair] = {}
    for pair in pairs:
        first.setdefault(pair.row[LAYOUT], pair)
    of_best, of_first = counted.again(best), counted.again(list(first.values()))
    logger.info(
        "kept the best of %d paintings of %d layouts: %.1f %% of their pixels have larger losses than real ones, "
        "and %.1f %% of those of the first paintings",
        len(pairs), len(best), 100 * of_best.share, 100 * of_first.share,
    )  # fmt: skip
    metrics = {
        "select/paintings": float(len(pairs)),
        "select/rejected_share_first": of_first.share,
    }
    return best, of_best, metrics
