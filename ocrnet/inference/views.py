"""The views of an image: whole or window by window, at which scales, mirrored too; `merging` combines their scores.

The network takes one view at a time, and a view depends on nothing but the image, so that the result does not depend
on what else is scored.

Differs from the official code: it has windows at scales above 1 alone, without overlap; here all scales have them, with
an overlap of `overlap`.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ocrnet.config import EvaluateParams
from ocrnet.errors import ParamsError
from ocrnet.inference.merging import LOGIT_MEAN, MERGERS, Merger
from ocrnet.models.output import LEAST_SIDE, SegmentationModel, full_size_logits


@dataclass(frozen=True)
class Protocol:
    """How images are scored.

    Args:
        window: (height, width) of a sliding window, in pixels of the scaled image; None scores whole images. An image
            smaller than the window is padded, and the padding cut off before anything is resized or scored.
        overlap: Share of a window that the next one covers again; the last one ends at the border.
        scales: Sizes at which the image is scored, as shares of its own.
        flip: Whether the mirrored view is scored too.
        merge: Name in `MERGERS`.

    Raises:
        ParamsError: A value is out of range.
    """

    window: tuple[int, int] | None = None
    overlap: float = 0.33
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    merge: str = "softmax_mean"

    def __post_init__(self) -> None:
        if self.window is not None and min(self.window) < 1:
            raise ParamsError(f"window: found {list(self.window)}. Give height and width above 0.")
        if not 0.0 <= self.overlap < 1.0:
            raise ParamsError(f"overlap: found {self.overlap}. Give a share from 0 to below 1.")
        wrong = [scale for scale in self.scales if not 0.0 < scale < math.inf]
        if wrong or not self.scales:
            raise ParamsError(f"scales: found {list(self.scales)}. Give one or more above 0.")
        if self.merge not in MERGERS:
            raise ParamsError(f"merge: found {self.merge!r}. Known: {', '.join(MERGERS)}.")

    @classmethod
    def of(cls, params: EvaluateParams) -> "Protocol":
        """Return the protocol that the params ask for."""
        return cls(params.window, params.overlap, params.scales, params.flip, params.merge)

    @property
    def is_whole(self) -> bool:
        """Whether an image has one view alone, itself."""
        return self.window is None and self.scales == (1.0,) and not self.flip

    @property
    def merger(self) -> Merger:
        """The merger of the views of one model; a single view keeps its logits, for which all modes agree."""
        return LOGIT_MEAN if self.is_whole else MERGERS[self.merge]

    @property
    def words(self) -> str:
        """The protocol in words, for people who compare scores."""
        if self.is_whole:
            return "whole image"
        parts = ["whole image"]
        if self.window is not None:
            height, width = self.window
            parts = [f"sliding window of {height} x {width}, overlap {self.overlap:g}"]
        if self.scales != (1.0,):
            parts.append(f"scales {', '.join(f'{scale:g}' for scale in self.scales)}")
        if self.flip:
            parts.append("flip")
        return "; ".join([*parts, f"merged by {self.merge}"])

    def scores(
        self, model: SegmentationModel, image: Float[Tensor, "1 3 H W"], merger: Merger
    ) -> Float[Tensor, "1 K H W"]:
        """Return the merged scores of a normalised image at its size, as `merger` enters them.

        Args:
            model: Model in eval mode.
            image: Normalised image of any size.
            merger: `self.merger`, or that of an ensemble which merges further.
        """
        size = (image.shape[-2], image.shape[-1])
        return merger.mean(
            merger.resize(
                self._slide(model, _resize_image(image, scaled_size(size, scale)), merger),
                size,
                align_corners=model.align_corners,
            )
            for scale in self.scales
        )

    def _slide(
        self, model: SegmentationModel, image: Float[Tensor, "1 3 H W"], merger: Merger
    ) -> Float[Tensor, "1 K H W"]:
        """Return the scores of an image at one scale, each pixel's over the windows that cover it."""
        if self.window is None:
            return self._view(model, image, merger)
        height, width = self.window
        total = count = None
        for top in window_starts(image.shape[-2], height, self.overlap):
            for left in window_starts(image.shape[-1], width, self.overlap):
                place = (..., slice(top, top + height), slice(left, left + width))
                scores = self._view(model, image[place], merger)
                if total is None or count is None:
                    shape = (1, scores.shape[1], *image.shape[-2:])
                    total = scores.new_full(shape, merger.nothing, dtype=torch.float64)
                    count = torch.zeros(shape[-2:], dtype=torch.int64, device=scores.device)
                total[place] = merger.add(total[place], scores)
                count[place] += 1
        assert total is not None
        assert count is not None
        return merger.share(total, count)

    def _view(
        self, model: SegmentationModel, image: Float[Tensor, "1 3 H W"], merger: Merger
    ) -> Float[Tensor, "1 K H W"]:
        """Return the scores of one window, or of its mean with the mirrored one: of logits in two of the modes."""
        least = self.window or (0, 0)
        scores = merger.enter(full_size_logits(model, image, least=least))
        if not self.flip:
            return scores
        mirrored = merger.enter(full_size_logits(model, image.flip(-1), least=least)).flip(-1)
        return (scores.double() + mirrored) / 2


def window_starts(size: int, window: int, overlap: float) -> list[int]:
    """Return where windows start along one side: a stride apart, the last one at the border.

    >>> window_starts(10, 4, 0.5)
    [0, 2, 4, 6]
    >>> window_starts(11, 4, 0.0)
    [0, 4, 7]
    """
    stride = max(1, round(window * (1 - overlap)))
    last = max(0, size - window)
    return [*range(0, last, stride), last]


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Return (height, width) at a scale; one below 1 is raised until the short side is the network's least.

    >>> scaled_size((100, 200), 0.5)
    (64, 128)
    """
    if scale < 1.0:
        scale = max(scale, min(1.0, LEAST_SIDE / min(size)))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _resize_image(
    image: Float[Tensor, "1 3 h w"], size: tuple[int, int]
) -> Float[Tensor, "1 3 H W"]:
    """Resize as training does: bilinear, averaging where it shrinks."""
    if tuple(image.shape[-2:]) == size:
        return image
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=True)
