"""Segmenters: one file and one line in `ARCHS` each.

The table holds import paths, so that reading the names costs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocrnet.models.output import SegmentationModel

ARCHS = {
    "ocrnet": "ocrnet.models.ocr:OCRNet",
}


def build_segmenter(
    arch: str, *, backbone: str, num_classes: int, **options: Any
) -> "SegmentationModel":
    """Build an untrained segmenter.

    Args:
        arch: a name in `ARCHS`.
        backbone: a timm model that gives features.
        num_classes: how many classes the logits have.
        options: what the architecture takes besides, such as `align_corners`.

    Raises:
        ValueError: the architecture or the backbone is unknown.
    """
    if arch not in ARCHS:
        raise ValueError(f"model.arch {arch!r} is unknown. Known: {', '.join(ARCHS)}.")
    module, name = ARCHS[arch].split(":")
    segmenter: SegmentationModel = getattr(import_module(module), name)(
        backbone=backbone, num_classes=num_classes, **options
    )
    return segmenter
