"""Networks whose logits follow from the pixels by hand, for the tests of scoring."""

import torch
from torch import Tensor

from ocrnet.bundles.card import ModelCard
from ocrnet.data.manifest import ClassTable
from ocrnet.inference.predict import Segmenter
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.models.output import SegmentationModel, SegmenterOutput

COLOURS = ClassTable(("red", "green", "blue"), ((255, 0, 0), (0, 255, 0), (0, 0, 255)))


class ColourNet(SegmentationModel):
    """Logits are the three channels, times a factor: a 1x1 convolution, which knows no place.

    Args:
        factor: of the logits.
        stride: of the grid on which logits are given; 1 is each pixel.
    """

    align_corners = False

    def __init__(self, factor: float = 3.0, *, stride: int = 1) -> None:
        super().__init__()
        self.factor = factor
        self.stride = stride
        self.seen: list[tuple[int, int]] = []

    def forward(self, images: Tensor) -> SegmenterOutput:
        self.seen.append((images.shape[-2], images.shape[-1]))
        assert len(images) == 1
        return SegmenterOutput(self.factor * images[:, :, :: self.stride, :: self.stride], None)


class ColumnNet(SegmentationModel):
    """Logits of two classes, of which the second is how far right in its view a pixel is; the first is 0."""

    align_corners = False

    def forward(self, images: Tensor) -> SegmenterOutput:
        columns = torch.arange(images.shape[-1], dtype=torch.float32)
        right = columns.expand(1, 1, images.shape[-2], -1)
        return SegmenterOutput(torch.cat([torch.zeros_like(right), right], dim=1), None)


class PaddingNet(SegmentationModel):
    """The second class is black as padding is, after normalisation by (0, 1); the first is what is not."""

    align_corners = True

    def forward(self, images: Tensor) -> SegmenterOutput:
        light = images.sum(dim=1, keepdim=True)
        return SegmenterOutput(torch.cat([light, 0.5 - light], dim=1), None)


def segmenter_of(
    model: SegmentationModel,
    *,
    classes: ClassTable = COLOURS,
    protocol: ScoringProtocol | None = None,
    name: str = "",
) -> Segmenter:
    """Return a segmenter whose images are normalised to [0, 1]."""
    card = ModelCard("ocrnet", {}, classes, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return Segmenter(model, card, protocol=protocol, name=name)
