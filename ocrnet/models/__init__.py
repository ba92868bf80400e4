"""Segmenters: each has one file and one line in `ARCHS`.

The table contains import paths, so that reading the names does not import torch.
"""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ocrnet.components import load_component
from ocrnet.models.norm_policies import apply_norm
from ocrnet.models.strides import AUTO, choose_stride

if TYPE_CHECKING:
    from ocrnet.models.output import SegmentationModel

ARCHS = {
    "ocrnet": "ocrnet.models.ocr:OCRNet",
    "ocr_cascade": "ocrnet.models.ocr_cascade:OCRCascade",
    "object_bank": "ocrnet.models.object_bank:ObjectBank",
    "fcn": "ocrnet.models.fcn:FCN",
    "deeplabv3": "ocrnet.models.deeplabv3:DeepLabV3",
    "unet": "ocrnet.models.unet:UNet",
    "backbone_unet": "ocrnet.models.backbone_unet:BackboneUNet",
}
NO_HEADS = "none"
INSTANCES = (NO_HEADS, "offsets", "attention")  # values of `model.instances`
INSTANCE_ARCHS = frozenset({"ocrnet", "ocr_cascade"})  # they can have heads that tell objects apart
NO_AUX_HEAD = frozenset({"unet", "backbone_unet"})
NO_BACKBONE = frozenset({"unet"})  # they have a built-in encoder and no pretrained weights
# Options of a model in `params.yaml`; an architecture gets the options that its constructor names.
OPTIONS = (
    "mid_channels", "key_channels", "prototypes", "dropout", "align_corners", "head_variant", "stride",
    "context", "region_grid", "instances", "decoder_stride",
)  # fmt: skip


def segmenter_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `build_segmenter` that the section `model` of the params gives."""
    options = {key: value for key, value in params.items() if key in ("backbone", "norm", *OPTIONS)}
    if options.get("instances") == NO_HEADS:  # cards without the heads do not name them
        del options["instances"]
    if options.get("decoder_stride") == AUTO:  # neither do cards name what the backbone decides
        del options["decoder_stride"]
    given = str(options["stride"])
    options["stride"] = choose_stride(options["backbone"]) if given == AUTO else given
    return options


def add_instance_heads(segmenter: "SegmentationModel", kind: str, num_classes: int) -> None:
    """Give a segmenter the heads of a kind in `INSTANCES`, after all others, whose weights do not depend on them.

    Raises:
        ValueError: The kind is unknown, or the architecture cannot have the heads.
    """
    if kind not in INSTANCES:
        raise ValueError(f"model.instances: {kind!r} is unknown. Known: {', '.join(INSTANCES)}.")
    if kind == NO_HEADS:
        return
    if not hasattr(segmenter, "instance_heads"):
        raise ValueError(
            f"model.instances: {type(segmenter).__name__} has no such heads. Set model.arch to one of "
            f"{', '.join(sorted(INSTANCE_ARCHS))}."
        )
    from ocrnet.models.attention_heads import AttentionHeads
    from ocrnet.models.instance_heads import InstanceHeads
    from ocrnet.models.shares import ATTENTION, level_channels

    backbone: Any = segmenter.backbone
    if kind == ATTENTION:
        segmenter.instance_heads = AttentionHeads(
            level_channels(backbone), num_classes, align_corners=segmenter.align_corners
        )
    else:
        segmenter.instance_heads = InstanceHeads(
            backbone.main_channels, align_corners=segmenter.align_corners
        )


def build_segmenter(
    arch: str, *, backbone: str, num_classes: int, norm: str = "batch", **options: Any
) -> "SegmentationModel":
    """Build an untrained segmenter.

    Args:
        arch: Name in `ARCHS`.
        backbone: Name of a timm model that returns feature maps.
        num_classes: Number of classes in the logits.
        norm: Name in `ocrnet.models.norm_policies.NORMS`.
        options: Options in `OPTIONS`; an architecture ignores those it does not have.

    Raises:
        ValueError: The architecture, the backbone, the norm or an option is unknown.
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise ValueError(f"option {unknown[0]!r} is unknown. Known: {', '.join(OPTIONS)}.")
    build = load_component(ARCHS, arch, key="model.arch")
    taken = inspect.signature(build).parameters
    given = {"backbone": backbone, "num_classes": num_classes, **options}
    segmenter: SegmentationModel = build(**{k: v for k, v in given.items() if k in taken})
    add_instance_heads(segmenter, str(options.get("instances", NO_HEADS)), num_classes)
    apply_norm(segmenter, norm)
    return segmenter
