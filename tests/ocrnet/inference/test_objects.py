"""Objects of a segmenter with and without instance heads."""

import numpy as np
import torch
from torch import Tensor, nn

from ocrnet.bundles.card import Decoding, ModelCard
from ocrnet.data.decode import resize_image
from ocrnet.data.manifest import ClassTable
from ocrnet.inference.predict import Segmenter
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.models.output import OFFSET_UNIT, SegmentationModel, SegmenterOutput
from ocrnet.objects.grouping import find_objects
from ocrnet.predict_files.predictor import Predictor

TABLE = ClassTable(("ground", "cell"), ((0, 0, 0), (255, 0, 0)))


class PaintedNet(SegmentationModel):
    """Red is the second class, green the heat of a centre, and blue from 0 to 1 the way to it: -32 to 32 columns."""

    align_corners = False

    def __init__(self, *, heads: bool = True) -> None:
        super().__init__()
        self.instance_heads = nn.Identity() if heads else None

    def forward(self, images: Tensor) -> SegmenterOutput:
        red, green, blue = images.unbind(dim=1)
        logits = torch.stack([0 * red, 20 * (red - 0.5)], dim=1)
        ways = (blue - 0.5) * 64 / OFFSET_UNIT
        return SegmenterOutput(logits, None, torch.stack([green, 0 * green, ways], dim=1))

    def instance_maps(self, images: Tensor) -> Tensor:
        maps: Tensor | None = self(images).instances
        assert maps is not None
        return maps


def painted() -> np.ndarray:
    """Return two cells that touch, 64 x 40 and 64 x 56 pixels, with perfect heat and offsets."""
    image = np.zeros((64, 128, 3), np.uint8)
    image[..., 2] = 128
    for left, right in ((16, 56), (56, 112)):
        columns = np.arange(left, right)
        centre = (left + right) // 2
        image[:, left:right, 0] = 255
        image[:, left:right, 2] = np.round((0.5 + (centre - columns) / 64) * 255)
        image[32, centre, 1] = 255
    return image


def segmenter(
    *, heads: bool = True, resize: tuple[int, int] | None = None, **protocol: object
) -> Segmenter:
    card = ModelCard(
        "ocr_cascade", {}, TABLE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), things=("cell",),
        decoding=Decoding(resize=resize),
    )  # fmt: skip
    return Segmenter(
        PaintedNet(heads=heads), card, protocol=ScoringProtocol(**protocol)  # type: ignore[arg-type]
    )  # fmt: skip


def areas(model: Segmenter, image: np.ndarray) -> list[int]:
    found = find_objects(model, image, model.probabilities(image), (1,))
    return [int(area) for area in found.areas]


def test_touching_cells_come_apart_by_the_heads_alone() -> None:
    assert areas(segmenter(), painted()) == [64 * 40, 64 * 56]
    assert areas(segmenter(heads=False), painted()) == [64 * 96]


def test_centres_are_of_the_whole_image_whatever_the_protocol() -> None:
    """A mirrored view would turn the offsets, and a window would cut objects."""
    for model in (segmenter(flip=True), segmenter(window=(64, 64), overlap=0.5)):
        assert areas(model, painted()) == [64 * 40, 64 * 56]


def test_offsets_grow_with_an_image_that_was_shrunk_for_the_model() -> None:
    model = segmenter(resize=(64, 128))
    large = resize_image(painted(), (128, 256))
    large[..., 1] = 0
    large[64:66, 72:74, 1] = large[64:66, 168:170, 1] = 255
    right, left = sorted(Predictor(model, name="toy").objects(large), key=lambda one: -one.box[0])
    assert abs(left.box[0] - 32) <= 1
    assert abs(left.box[0] + left.box[2] - 112) <= 2
    assert right.box[2] > 108
