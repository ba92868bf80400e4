"""A trial of the networks that the params name: they are built and run once, before any training.

The segmenter is built without memory (torch's meta device) and run on one crop and on images of the sizes in the data.
A small segmenter is run on small images with zeros as weights, which takes a fifth of the time.
If that fails, it is built again on the CPU, whose result decides: some networks need memory to be built.
"""

from collections.abc import Iterable, Sequence

import timm
import torch
from torch import nn

from ocrnet.config import Params
from ocrnet.errors import ParamsError
from ocrnet.gan.quality import DOWNLOAD, INCEPTION, TIMM, parse_extractor
from ocrnet.models import NO_BACKBONE, build_segmenter, segmenter_options
from ocrnet.models.layers import read_stem
from ocrnet.models.output import SegmentationModel
from ocrnet.models.timm_levels import REFUSALS, fill_with_zeros, is_small
from ocrnet.weights.pretrained import AUTO, check_auto, load_backbone_weights

Size = tuple[int, int]
SMALL_IMAGE = 1 << 16  # pixels of an image on which the CPU is faster than torch's meta device


def try_segmenter(params: Params, sizes: Sequence[Size] = ()) -> None:
    """Build the segmenter, run it on a crop and on images, and load its weights if they are a file.

    Args:
        params: Params that name the segmenter.
        sizes: (height, width) of whole images that it must accept.

    Raises:
        ParamsError: The segmenter cannot be built, does not accept a size, or timm has no weights for its backbone.
        BundleError: The file cannot be read or does not fit.
    """
    pretrained = params.model.pretrained
    if pretrained is True:
        _refuse_without_weights("model.pretrained", params.model.backbone)
    elif pretrained == AUTO:
        check_auto(params.model.backbone)
    if params.model.freeze == "stem":
        read_stem(params.model.backbone)
    wanted = [params.data.crop_size, *extremes(sizes)]
    if pretrained in (True, False, AUTO) and _runs_without_memory(params, wanted):
        return
    model = _build(params, "cpu")
    for size in wanted[:2]:
        _run(model, params, size, "cpu")
    load_backbone_weights(model, params.model.backbone, pretrained)


def try_extractor(params: Params) -> None:
    """Load the weights of `select.extractor` if they are a file, or check that timm has them if timm's are requested.

    Raises:
        ParamsError: timm has no weights of that name.
        BundleError: The file cannot be read or does not fit.
    """
    choice = parse_extractor(params.select.extractor)
    if choice.kind == TIMM and choice.weights == DOWNLOAD:
        _refuse_without_weights("select.extractor", choice.model)
    elif choice.kind in (TIMM, INCEPTION) and choice.weights:
        from ocrnet.gan.quality.extractors import (
            build_extractor,  # slow to import and rarely used
        )

        build_extractor(choice)


def extremes(sizes: Iterable[Size]) -> list[Size]:
    """Return the smallest, the widest, the tallest and the largest size, each once."""
    known = sorted(set(sizes))
    if not known:
        return []
    found = [
        min(known, key=lambda size: size[0] * size[1]),
        max(known, key=lambda size: size[1] / size[0]),
        max(known, key=lambda size: size[0] / size[1]),
        max(known, key=lambda size: size[0] * size[1]),
    ]
    return list(dict.fromkeys(found))


def _runs_without_memory(params: Params, sizes: Sequence[Size]) -> bool:
    try:
        model = _build(params, "meta")
        small = {size for size in sizes if size[0] * size[1] <= SMALL_IMAGE}
        for size in set(sizes) - small if is_small(model) else sizes:
            _run(model, params, size, "meta")
        if is_small(model):
            fill_with_zeros(model)
            for size in small:
                _run(model, params, size, "cpu")
    except Exception:  # a network that needs memory may raise anything; the CPU decides
        return False
    return True


def _build(params: Params, device: str) -> SegmentationModel:
    options = segmenter_options(params.model.model_dump())
    try:
        with torch.device(device):
            return build_segmenter(
                params.model.arch, num_classes=len(params.data.classes), **options
            )
    except ParamsError as error:
        raise ParamsError(f"params.yaml: {str(error).removeprefix('params.yaml: ')}") from error
    except REFUSALS as error:
        raise ParamsError(
            f"params.yaml: model.backbone: {params.model.backbone} cannot be built: {_one_line(error)}. Set a timm "
            "model that returns feature maps, such as hrnet_w18 or resnet50."
        ) from error


def _run(model: nn.Module, params: Params, size: Size, device: str) -> None:
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 3, *size, device=device))
    except REFUSALS as error:
        own = params.model.arch in NO_BACKBONE
        key, name = ("arch", params.model.arch) if own else ("backbone", params.model.backbone)
        raise ParamsError(
            f"params.yaml: model.{key}: {name} does not accept images of {list(size)}: "
            f"{_one_line(error)}. Set one that does, such as the backbones hrnet_w18 or resnet50, or change "
            "data.crop_size and prepare.resize."
        ) from error


def _refuse_without_weights(key: str, name: str) -> None:
    if not timm.is_model_pretrained(name):
        raise ParamsError(
            f"params.yaml: {key}: timm has no weights for {name}. Name a weights file, or set another model."
        )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
