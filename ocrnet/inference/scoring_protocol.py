"""The scoring protocol of images: whole or with a sliding window, the scales, and mirroring.

Each window, scale and mirrored image is a view of the image; `view_merging` combines the scores of the views.

The network gets one view at a time, and a view depends only on the image, so that the result does not depend on
other images. Where a caller scores several images of one size at once, they depend on each other by rounding alone.

Difference from the official code: it uses windows only at scales above 1 and without overlap; here all scales use
windows, with an overlap of `overlap`.
"""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ocrnet.config import EvaluateParams
from ocrnet.errors import ParamsError
from ocrnet.inference.sliding_window import UNIFORM, WINDOW_WEIGHTS, slide_window
from ocrnet.inference.view_merging import LOGIT_MEAN, MERGERS, Merger
from ocrnet.models.output import LEAST_SIDE, SegmentationModel, full_size_logits


@dataclass(frozen=True)
class ScoringProtocol:
    """The views that are scored and their merging.

    Args:
        window: (height, width) of a sliding window, in pixels of the scaled image; None scores whole images. An image
            smaller than the window is padded; the padding is removed from the logits.
        overlap: Share of a window that the next window covers again, in [0, 1); the last window ends at the border.
        scales: Sizes at which the image is scored, as factors of its size.
        flip: Whether the mirrored view is also scored.
        merge: Name in `MERGERS`.
        window_weights: One of `WINDOW_WEIGHTS`: how much the pixels of a window count.

    Raises:
        ParamsError: A value is out of range.
    """

    window: tuple[int, int] | None = None
    overlap: float = 0.33
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    merge: str = "softmax_mean"
    window_weights: str = UNIFORM

    def __post_init__(self) -> None:
        if self.window is not None and min(self.window) < 1:
            raise ParamsError(f"window: found {list(self.window)}. Set height and width above 0.")
        if not 0.0 <= self.overlap < 1.0:
            raise ParamsError(f"overlap: found {self.overlap}. Set a share from 0 to below 1.")
        wrong = [scale for scale in self.scales if not 0.0 < scale < math.inf]
        if wrong or not self.scales:
            raise ParamsError(f"scales: found {list(self.scales)}. Set one or more scales above 0.")
        if self.merge not in MERGERS:
            raise ParamsError(f"merge: found {self.merge!r}. Known: {', '.join(MERGERS)}.")
        if self.window_weights not in WINDOW_WEIGHTS:
            raise ParamsError(
                f"window_weights: found {self.window_weights!r}. Known: {', '.join(WINDOW_WEIGHTS)}."
            )

    @classmethod
    def of(cls, params: EvaluateParams) -> "ScoringProtocol":
        """Return the protocol of the params."""
        return cls(
            params.window, params.overlap, params.scales, params.flip, params.merge, params.window_weights
        )  # fmt: skip

    @property
    def is_whole(self) -> bool:
        """Whether the whole image is the only view."""
        return self.window is None and self.scales == (1.0,) and not self.flip

    @property
    def merger(self) -> Merger:
        """The merger of the views of one model; a single view keeps its logits, since all modes agree."""
        return LOGIT_MEAN if self.is_whole else MERGERS[self.merge]

    @property
    def words(self) -> str:
        """The description of the protocol, for people who compare scores."""
        if self.is_whole:
            return "whole image"
        parts = ["whole image"]
        if self.window is not None:
            height, width = self.window
            weights = "" if self.window_weights == UNIFORM else f", {self.window_weights} weights"
            parts = [f"sliding window of {height} x {width}, overlap {self.overlap:g}{weights}"]
        if self.scales != (1.0,):
            parts.append(f"scales {', '.join(f'{scale:g}' for scale in self.scales)}")
        if self.flip:
            parts.append("flip")
        return "; ".join([*parts, f"merged by {self.merge}"])

    def scores(
        self, model: SegmentationModel, image: Float[Tensor, "B 3 H W"], merger: Merger
    ) -> Float[Tensor, "B K H W"]:
        """Return the merged scores of a normalised image at its size, in the units of `merger`.

        Args:
            model: Model in eval mode.
            image: Normalised image of any size, or several of one size.
            merger: `self.merger`, or the merger of an ensemble that merges further.
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
        self, model: SegmentationModel, image: Float[Tensor, "B 3 H W"], merger: Merger
    ) -> Float[Tensor, "B K H W"]:
        """Return the scores of an image at one scale, merged over the windows that cover each pixel."""

        def view(window: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B K h w"]:
            return self.view(model, window, merger)

        if self.window is None:
            return view(image)
        return slide_window(
            view, image, self.window, overlap=self.overlap, merger=merger, weights=self.window_weights
        )  # fmt: skip

    def view(
        self, model: SegmentationModel, image: Float[Tensor, "B 3 H W"], merger: Merger
    ) -> Float[Tensor, "B K H W"]:
        """Return the scores of one window, or their mean with the scores of the mirrored window.

        They are not rounded, unlike those of `scores`, and are in the units of `merger`.

        Args:
            model: Model in eval mode.
            image: Normalised window, or part of one at the border of the image.
            merger: Merger of the windows.
        """
        least = self.window or (0, 0)
        scores = merger.enter(full_size_logits(model, image, least=least))
        if not self.flip:
            return scores
        mirrored = merger.enter(full_size_logits(model, image.flip(-1), least=least)).flip(-1)
        return (scores.double() + mirrored) / 2


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Return (height, width) at a scale; a scale below 1 is raised so that the short side is at least LEAST_SIDE.

    Examples:
        >>> scaled_size((100, 200), 0.5)
        (64, 128)
    """
    if scale < 1.0:
        scale = max(scale, min(1.0, LEAST_SIDE / min(size)))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _resize_image(
    image: Float[Tensor, "B 3 h w"], size: tuple[int, int]
) -> Float[Tensor, "B 3 H W"]:
    """Resize as in training: bilinear with antialiasing."""
    if tuple(image.shape[-2:]) == size:
        return image
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=True)
