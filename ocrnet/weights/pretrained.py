"""Pretrained weights for a backbone: timm's, those that are installed with the project, or a file of any program.

| `model.pretrained` | weights |
|---|---|
| false | random ones |
| auto | timm's if they are in the cache of this machine, or else the installed ones; nothing is downloaded |
| true | timm's, downloaded if they are not in the cache |
| a path | those of the file |
"""

import logging
from pathlib import Path

import timm
import torch
from torch import Tensor

from ocrnet.bundles.bundle import MODEL_FILE, read_card
from ocrnet.bundles.card import IMAGENET_MEAN, IMAGENET_STD
from ocrnet.data.manifest import file_sha256
from ocrnet.errors import BundleError, ParamsError
from ocrnet.models.head_variants import DEEP_BASE
from ocrnet.models.output import SegmentationModel
from ocrnet.weights import LoadReport, load_state, load_weights
from ocrnet.weights.files import read_tensors
from ocrnet.weights.shipped import SHIPPED, is_shipped, read_shipped

logger = logging.getLogger(__name__)
AUTO = "auto"
Statistics = tuple[tuple[float, float, float], tuple[float, float, float]]


def load_backbone_weights(model: SegmentationModel, backbone: str, pretrained: bool | str) -> None:
    """Load pretrained weights into a model's backbone, and into its head if the file has one.

    Args:
        model: Segmenter with `backbone.net`.
        backbone: Name of the backbone in timm.
        pretrained: Value of `model.pretrained`, as in the table of this module.

    Raises:
        ParamsError: The model has no backbone of timm, or there are no weights of that name.
        BundleError: The file cannot be read, or has less than 95% of the backbone's entries.
    """
    if pretrained is False:
        return
    if not any(name.startswith("backbone.net.") for name in model.state_dict()):
        raise ParamsError(
            f"params.yaml: model.pretrained: found {pretrained}, but {type(model).__name__} has no backbone for "
            "pretrained weights. Set it to false, or set another model.arch."
        )
    if pretrained is True:
        report = _from_timm(model, backbone)
    elif pretrained == AUTO:
        report = _from_this_machine(model, backbone)
    else:
        report = _from_file(model, pretrained)
    for line in report.lines():
        logger.info("%s", line)
    for warning in report.warnings:
        logger.warning("model.pretrained: %s", warning)


def check_auto(backbone: str) -> None:
    """Check that this machine has weights of a backbone.

    Raises:
        ParamsError: It has none.
    """
    if cached_file(backbone) is None and not is_shipped(backbone):
        raise ParamsError(
            f"params.yaml: model.pretrained: auto, but this machine has no weights of {backbone}. Write true, which "
            f"downloads timm's, a file of weights, or false; or set model.backbone to one of {', '.join(SHIPPED)}, "
            "whose weights are installed."
        )


def input_statistics(backbone: str, pretrained: bool | str) -> Statistics:
    """Return the mean and the standard deviation of RGB in [0, 1] that images are normalised by.

    They are those of the images that the weights were trained on: of the card where the weights are a bundle of this
    project, or else of timm's configuration of the backbone. Random weights have ImageNet's.

    Args:
        backbone: Name of the backbone in timm.
        pretrained: Value of `model.pretrained`.
    """
    if pretrained is False:
        return IMAGENET_MEAN, IMAGENET_STD
    if isinstance(pretrained, str) and pretrained != AUTO:
        path = Path(pretrained)
        folder = path if path.is_dir() else path.parent
        if (folder / MODEL_FILE).is_file() and path.suffix in ("", ".safetensors"):
            card = read_card(folder)
            return card.mean, card.std
    config = timm.get_pretrained_cfg(backbone.removeprefix(DEEP_BASE), allow_unregistered=True)
    if config is None or len(config.mean) != 3 or len(config.std) != 3:
        return IMAGENET_MEAN, IMAGENET_STD
    mean, std = (tuple(map(float, values)) for values in (config.mean, config.std))
    return mean, std  # type: ignore[return-value]  # three values each, as checked


def cached_file(backbone: str) -> Path | None:
    """Return the file of timm's weights in the cache of this machine, or None; nothing is downloaded."""
    from huggingface_hub import try_to_load_from_cache

    config = timm.get_pretrained_cfg(backbone, allow_unregistered=True)
    if config is None:
        return None
    if config.hf_hub_id:
        repository = config.hf_hub_id
        if repository == "timm/":
            repository += (
                f"{config.architecture}.{config.tag}" if config.tag else str(config.architecture)
            )
        found = try_to_load_from_cache(repository, config.hf_hub_filename or "model.safetensors")
        if isinstance(found, str):
            return Path(found)
    if config.url:
        path = Path(torch.hub.get_dir()) / "checkpoints" / config.url.rpartition("/")[2]
        return path if path.is_file() else None
    return None


def _from_this_machine(model: SegmentationModel, backbone: str) -> LoadReport:
    check_auto(backbone)
    path = cached_file(backbone)
    if path is not None:
        config = timm.get_pretrained_cfg(backbone, allow_unregistered=True)
        source = f"timm's {backbone}, cached (sha256 {file_sha256(path)[:12]}, {_licence(config)})"
        return load_state(model, read_tensors(path), source=source)
    return load_state(model, read_shipped(backbone), source=SHIPPED[backbone].words)


def _from_timm(model: SegmentationModel, backbone: str) -> LoadReport:
    if not timm.is_model_pretrained(backbone):
        raise ParamsError(
            f"params.yaml: model.pretrained: found true, but timm has no weights for {backbone}. "
            "Name a weights file, or set it to false."
        )
    try:
        weights = _download(model, backbone)
    except (
        Exception
    ) as error:  # the exception of a failed download depends on the hub's client and its version
        reason = " ".join(str(error).split())[:200]
        raise BundleError(
            f"params.yaml: model.pretrained: found true, but timm's weights of {backbone} cannot be downloaded: "
            f"{reason}. Name a weights file, or set it to false."
        ) from error
    path = cached_file(backbone)
    sha256 = f"sha256 {file_sha256(path)[:12]}, " if path else ""
    config = timm.get_pretrained_cfg(backbone)
    return load_state(model, weights, source=f"timm's {backbone} ({sha256}{_licence(config)})")


def _download(model: SegmentationModel, backbone: str) -> dict[str, Tensor]:
    """Return timm's weights; timm fits positions to the form of the network where they differ."""
    arguments = getattr(model.get_submodule("backbone"), "arguments", {})
    weights: dict[str, Tensor] = timm.create_model(
        backbone, pretrained=True, **arguments
    ).state_dict()
    return weights


def _licence(config: object) -> str:
    return str(getattr(config, "license", None) or "licence not stated by timm")


def _from_file(model: SegmentationModel, path: str | bool) -> LoadReport:
    try:
        return load_weights(model, str(path))
    except BundleError as error:
        raise BundleError(f"params.yaml: model.pretrained: {error}") from error
