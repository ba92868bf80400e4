"""Segmenters: one file and one line in `ARCHS` each.

The table holds import paths, so that reading the names costs no torch.
"""

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ocrnet.models.norms import apply_norm

if TYPE_CHECKING:
    from ocrnet.models.output import SegmentationModel

ARCHS = {
    "ocrnet": "ocrnet.models.ocr:OCRNet",
    "object_bank": "ocrnet.models.object_bank:ObjectBank",
    "fcn": "ocrnet.models.fcn:FCN",
    "deeplabv3": "ocrnet.models.deeplabv3:DeepLabV3",
    "unet": "ocrnet.models.unet:UNet",
}
NO_BACKBONE = frozenset({"unet"})  # with an encoder of their own, and without pretrained weights
# What `params.yaml` may say about a model; an architecture takes those that its constructor names.
OPTIONS = ("mid_channels", "key_channels", "prototypes", "dropout", "align_corners", "form")


def build_segmenter(
    arch: str, *, backbone: str, num_classes: int, norm: str = "batch", **options: Any
) -> "SegmentationModel":
    """Build an untrained segmenter.

    Args:
        arch: Name in `ARCHS`.
        backbone: Name of a timm model that returns feature maps.
        num_classes: Number of classes in the logits.
        norm: Name in `ocrnet.models.norms.NORMS`.
        options: Options in `OPTIONS`; an architecture ignores those it does not have.

    Raises:
        ValueError: The architecture, the backbone, the norm or an option is unknown.
    """
    if arch not in ARCHS:
        raise ValueError(f"model.arch {arch!r} is unknown. Known: {', '.join(ARCHS)}.")
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise ValueError(f"option {unknown[0]!r} is unknown. Known: {', '.join(OPTIONS)}.")
    module, name = ARCHS[arch].split(":")
    build = getattr(import_module(module), name)
    taken = inspect.signature(build).parameters
    given = {"backbone": backbone, "num_classes": num_classes, **options}
    segmenter: SegmentationModel = build(**{k: v for k, v in given.items() if k in taken})
    apply_norm(segmenter, norm)
    return segmenter
