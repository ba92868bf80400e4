"""Small models of ours, and how outputs are compared."""

from typing import Any

import torch
from torch import Tensor

from ocrnet.models import build_segmenter
from ocrnet.models.output import SegmentationModel

CLASSES, MID, KEY = 5, 64, 32


def small_ocrnet(backbone: str, *, classes: int = CLASSES, **options: Any) -> SegmentationModel:
    """An OCRNet with narrow heads, in eval mode."""
    return build_segmenter(
        "ocrnet", backbone=backbone, num_classes=classes, mid_channels=MID, key_channels=KEY, **options
    ).eval()  # fmt: skip


def copied(model: torch.nn.Module) -> dict[str, Tensor]:
    """The state of a model as it is now."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_outputs(model: SegmentationModel, images: Tensor, aux: Tensor, main: Tensor) -> None:
    """Both logits within 1e-4 of their maximum."""
    with torch.inference_mode():
        output = model(images)
    assert output.aux_logits is not None
    for got, want in ((output.aux_logits, aux), (output.logits, main)):
        assert got.shape == want.shape
        assert (got - want).abs().max() <= 1e-4 * want.abs().max()
