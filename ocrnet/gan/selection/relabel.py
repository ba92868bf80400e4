"""Labels of kept pairs that follow the teacher, which is the baseline: the layout is not trusted alone.

With r = `select.relabel`, t the layout's class of a pixel and p the teacher's probabilities, the blended label is

    q_t = (1 - r) + r p_t,    q_c = r p_c for all other classes c.

A pair has one label and one weight per pixel, which all losses can use: the most likely class of q, and its probability
in q. Up to r = 1/2 the label stays that of the layout, and pixels that the teacher sees otherwise count less; beyond
it a sure teacher changes the label; at r = 1 both are the teacher's. A pixel that the filter rejects is ignored if its
label would stay that of the layout: the layout is wrong there, and the teacher is not sure enough.

Differs from a cross entropy with q itself: it has the term of the most likely class alone. To keep all terms, a pair
would need a map per class.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ocrnet.data.pixel_weights import FULL_WEIGHT
from ocrnet.gan.selection.pixel_filter import Losses

Labels = UInt8[np.ndarray, "H W"]


class Relabelling:
    """The blended labels of the pairs of one selection, with files for what the teacher sees.

    Args:
        share: Share of the teacher, r above, in (0, 1].
        folder: Folder of the files.
        ignore_index: Label of ignored pixels.
    """

    def __init__(self, share: float, folder: Path, *, ignore_index: int) -> None:
        self._share, self._folder, self._ignore_index = share, folder, ignore_index
        self._valid, self._changed, self._weight = 0, 0, 0.0

    def save(
        self, pair_id: str, probabilities: Float[np.ndarray, "K H W"], label_map: Labels
    ) -> None:
        """Store the class that the teacher holds most likely beside the layout's, with its probability."""
        classes, chances = rivals(probabilities, label_map)
        np.save(self._folder / f"{pair_id}.class.npy", classes)
        np.save(self._folder / f"{pair_id}.chance.npy", chances)

    def labels(
        self, pair_id: str, label_map: Labels, losses: Losses, *, wrong: Bool[np.ndarray, "H W"]
    ) -> tuple[Labels, Labels]:
        """Return the labels of a pair and their weights from 0 to `FULL_WEIGHT`, and count them.

        Args:
            pair_id: Id of the pair.
            label_map: Layout.
            losses: Loss of each pixel of the layout, -log p_t.
            wrong: Mask of the pixels that the filter rejects.
        """
        other = (np.load(self._folder / f"{pair_id}.{name}.npy") for name in ("class", "chance"))
        labels, weights = blend(
            label_map, losses, *other, share=self._share, wrong=wrong, ignore_index=self._ignore_index
        )  # fmt: skip
        kept = labels != self._ignore_index
        self._valid += int((label_map != self._ignore_index).sum())
        self._changed += int((labels != label_map)[kept].sum())
        self._weight += float(weights[kept].sum(dtype=np.int64)) / FULL_WEIGHT
        return labels, weights

    def metrics(self) -> dict[str, float]:
        """Return select/relabelled_share and select/pixel_weight: shares of the valid pixels of all layouts.

        The first counts pixels with a label other than the layout's, the second is the sum of the weights.
        """
        count = max(self._valid, 1)
        return {
            "select/relabelled_share": self._changed / count,
            "select/pixel_weight": self._weight / count,
        }


def rivals(
    probabilities: Float[np.ndarray, "K H W"], label_map: Labels
) -> tuple[Labels, Float[np.ndarray, "H W"]]:
    """Return the most likely class other than each pixel's label, and its probability."""
    classes = np.arange(len(probabilities), dtype=np.uint8)[:, None, None]
    others = np.where(classes == label_map, -1.0, probabilities)
    found = others.argmax(axis=0)
    chances = np.take_along_axis(others, found[None], axis=0)[0]
    return found.astype(np.uint8), np.maximum(chances, 0.0)


def blend(
    label_map: Labels,
    losses: Losses,
    classes: Labels,
    chances: Float[np.ndarray, "H W"],
    *,
    share: float,
    wrong: Bool[np.ndarray, "H W"],
    ignore_index: int,
) -> tuple[Labels, Labels]:
    """Return the blended labels and their weights; ignored pixels have the weight 0.

    Args:
        label_map: Layout.
        losses: Loss of each pixel of the layout, -log p_t.
        classes: Most likely other class of each pixel.
        chances: Probability of that class.
        share: Share of the teacher in [0, 1].
        wrong: Mask of the pixels that the filter rejects.
        ignore_index: Label of ignored pixels.
    """
    own, other = (1 - share) + share * np.exp(-losses), share * chances
    changes = other > own
    labels = np.where(changes, classes, label_map)
    gone = (label_map == ignore_index) | (wrong & ~changes)
    # The least weight is above 0, or a pixel with a label would count as one without.
    weights = np.maximum(np.rint(FULL_WEIGHT * np.maximum(own, other)), 1)
    return (
        np.where(gone, ignore_index, labels).astype(np.uint8),
        np.where(gone, 0, weights).astype(np.uint8),
    )
