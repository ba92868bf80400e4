"""The programs whose OCRNet weights can be read: the names that identify them, and their names of the modules.

Every program uses timm's names for the backbone, except for the stems of ResNets, and other names for the head.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from torch import Tensor

WRAPPERS = (
    "module.",
    "model.",
    "_orig_mod.",
)  # prefixes of DDP, the official training code and torch.compile
LOSS = "loss."  # buffers of a loss that was saved with the model, such as class weights
# If the model has this share of a file's names, the file is from this project, for any architecture.
OURS_SHARE = 0.95


@dataclass(frozen=True)
class Format:
    """The names that a program uses.

    Args:
        name: Short name, for code.
        title: Name for messages.
        marks: Prefixes of names; any of them identifies the format.
        backbone: Prefix of the names of the backbone.
        modules: Our name of each module of its head.
        align_corners: Whether the program's resizing aligns corners; None if it varies.
        inplace_abn: Whether files without num_batches_tracked were trained with InPlaceABN.
    """

    name: str
    title: str
    marks: tuple[str, ...] = ()
    backbone: str = "backbone."
    modules: Mapping[str, str] = field(default_factory=dict)
    align_corners: bool | None = None
    inplace_abn: bool = False


def _sequence(theirs: str, ours: str, indices: Mapping[int, int]) -> dict[str, str]:
    """Return the modules of a sequence; a norm may be in a wrapper, one level deeper."""
    names = {}
    for their_index, our_index in indices.items():
        names[f"{theirs}.{their_index}"] = f"{ours}.{our_index}"
        names[f"{theirs}.{their_index}.0"] = f"{ours}.{our_index}"
    return names


def _released_head(reduce: str, distribute: str, classify: str, aux: str) -> dict[str, str]:
    """Return the modules of the authors' head; official, openseg and NVIDIA differ only in four prefixes."""
    block = f"{distribute}.object_context_block"
    two = {0: 0, 1: 1, 2: 3, 3: 4}
    one = {0: 0, 1: 1}
    return {
        **_sequence(reduce, "head.reduce", one),
        **_sequence(f"{block}.f_pixel", "head.to_query", two),
        **_sequence(f"{block}.f_object", "head.to_key", two),
        **_sequence(f"{block}.f_down", "head.to_value", one),
        **_sequence(f"{block}.f_up", "head.to_context", one),
        **_sequence(f"{distribute}.conv_bn_dropout", "head.fuse", one),
        classify: "head.classify",
        # The classifier is module 2 if the norm is wrapped with its ReLU and there is no dropout; else module 3.
        **_sequence(aux, "aux_head", {0: 0, 1: 1, 2: 3, 3: 3}),
    }


def _mmseg_head() -> dict[str, str]:
    block = "decode_head.1.object_context_block"
    pairs = {
        "decode_head.0.convs.0": ("aux_head", 0),
        "decode_head.1.bottleneck": ("head.reduce", 0),
        f"{block}.query_project.0": ("head.to_query", 0),
        f"{block}.query_project.1": ("head.to_query", 3),
        f"{block}.key_project.0": ("head.to_key", 0),
        f"{block}.key_project.1": ("head.to_key", 3),
        f"{block}.value_project": ("head.to_value", 0),
        f"{block}.out_project": ("head.to_context", 0),
        f"{block}.bottleneck": ("head.fuse", 0),
    }
    names = {"decode_head.0.conv_seg": "aux_head.3", "decode_head.1.conv_seg": "head.classify"}
    for theirs, (ours, index) in pairs.items():
        names[f"{theirs}.conv"] = f"{ours}.{index}"
        names[f"{theirs}.bn"] = f"{ours}.{index + 1}"
    return names


OURS = Format("ours", "a bundle of this project", marks=("backbone.net.",))
BACKBONE = Format("backbone", "a backbone alone (timm, torchvision, ImageNet files)")
FORMATS = (
    Format(
        "mmseg",
        "mmsegmentation",
        marks=("decode_head.",),
        modules=_mmseg_head(),
        align_corners=False,
    ),
    Format(
        "nvidia",
        "NVIDIA/semantic-segmentation",
        marks=("ocr.",),
        modules=_released_head(
            "ocr.conv3x3_ocr", "ocr.ocr_distri_head", "ocr.cls_head", "ocr.aux_head"
        ),
        align_corners=False,
    ),
    Format(
        "official",
        "official HRNet-OCR",
        marks=("conv3x3_ocr.",),
        backbone="",
        modules=_released_head("conv3x3_ocr", "ocr_distri_head", "cls_head", "aux_head"),
        align_corners=True,
        inplace_abn=True,
    ),
    # Its branches resize in either way; HRNet-OCR uses its classifier as the auxiliary head.
    Format(
        "official",
        "official HRNet without OCR",
        marks=("last_layer.",),
        backbone="",
        modules=_sequence("last_layer", "aux_head", {0: 0, 1: 1, 3: 3}),
        inplace_abn=True,
    ),
    Format(
        "openseg",
        "openseg.pytorch",
        marks=("conv3x3.", "spatial_ocr_head.", "dsn_head."),
        modules={
            **_released_head("conv3x3", "ocr_distri_head", "cls_head", "aux_head"),
            **_released_head("conv_3x3", "spatial_ocr_head", "head", "dsn_head"),
        },
        align_corners=True,
        inplace_abn=True,
    ),
    OURS,
)


def bare_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Remove the prefixes of wrappers that all names have, and the entries of a loss."""
    kept = dict(tensors)
    stripped = True
    while stripped:
        stripped = False
        kept = {name: value for name, value in kept.items() if not name.startswith(LOSS)}
        for prefix in WRAPPERS:
            names = [name for name in kept if not name.removeprefix(prefix).startswith(LOSS)]
            if names and all(name.startswith(prefix) for name in names):
                kept = {name.removeprefix(prefix): value for name, value in kept.items()}
                stripped = True
    return kept


def recognise(names: Collection[str], own: Collection[str]) -> Format:
    """Return the format of a file by its names.

    Args:
        names: Names in the file, bare.
        own: Names of the model that the file is for.
    """
    known = set(own)
    if sum(name in known for name in names) >= OURS_SHARE * len(names):
        return OURS
    for candidate in FORMATS:
        if any(name.startswith(candidate.marks) for name in names):
            return candidate
    return BACKBONE
