"""A check of all names in the params, before anything runs and without importing the named components.

A component's name must be in its table, and a file must exist. `ocrnet/preflight/networks.py` builds the networks.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ocrnet.config import Params
from ocrnet.config.arms import ARMS, JOIN, join_fault
from ocrnet.errors import ParamsError
from ocrnet.errors.near_names import hint
from ocrnet.gan import GANS, OPERATIONS
from ocrnet.gan.generator.presets import PRESETS
from ocrnet.gan.quality import extractor_lines
from ocrnet.losses import LOSSES
from ocrnet.losses.expression import parse_loss
from ocrnet.models import ARCHS, INSTANCE_ARCHS, NO_BACKBONE
from ocrnet.models.head_variants import DEEP_BASE, HEAD_VARIANTS
from ocrnet.models.known import is_known_backbone, timm_models
from ocrnet.models.norm_policies import NORMS
from ocrnet.raw.sources import SOURCES

# The components that each key of the params may name.
TABLES: dict[str, Mapping[str, object]] = {
    "data.source": SOURCES,
    "model.arch": ARCHS,
    "model.norm": NORMS,
    "model.head_variant": HEAD_VARIANTS,
    "train.loss": LOSSES,
    "train_gan.arch": GANS,
    "train_gan.preset": PRESETS,
    "synthesize.operations": OPERATIONS,
    "retrain.arms": ARMS,
}


def check_component_names(params: Params) -> None:
    """Check the names of components and weights in the params.

    Raises:
        ParamsError: A name is wrong; one line for each.
    """
    named = [
        ("data.source", params.data.source),
        ("model.arch", params.model.arch),
        ("model.norm", params.model.norm),
        ("model.head_variant", params.model.head_variant),
        ("train_gan.arch", params.train_gan.arch),
        *(("synthesize.operations", name) for name in params.synthesize.operations),
        *(("retrain.arms", part) for arm in params.retrain.arms for part in arm.split(JOIN)),
    ]
    lines = _loss_lines(params.train.loss)
    lines += [
        f"params.yaml: {key}: {name!r} is unknown.{hint(name, TABLES[key])} Known: {', '.join(TABLES[key])}."
        for key, name in named
        if name not in TABLES[key]
    ]
    backbone = params.model.backbone.split(".")[0].removeprefix(DEEP_BASE)
    if not is_known_backbone(params.model.backbone):
        lines.append(
            f"params.yaml: model.backbone: timm has no {params.model.backbone!r}.{hint(backbone, timm_models())} "
            "Set a timm model that returns feature maps."
        )
    lines += _pretrained_lines(params.model.arch, params.model.norm, params.model.pretrained)
    lines += _freeze_lines(params.model.freeze, params.model.pretrained)
    lines += _instance_lines(params.model.arch, params.model.instances)
    lines += _window_lines(params)
    lines += _arm_lines(params.retrain.arms)
    lines += extractor_lines(params.select.extractor, timm_models())
    if lines:
        raise ParamsError("\n".join(lines))


def _arm_lines(arms: Sequence[str]) -> list[str]:
    faults = {arm: join_fault(arm) for arm in arms if all(part in ARMS for part in arm.split(JOIN))}
    return [
        f"params.yaml: retrain.arms: {arm!r}: {fault}" for arm, fault in faults.items() if fault
    ]


def _loss_lines(text: str) -> list[str]:
    try:
        parse_loss(text, LOSSES)
    except ParamsError as error:
        return [str(error)]
    return []


def _pretrained_lines(arch: str, norm: str, pretrained: bool | str) -> list[str]:
    lines = []
    if arch in NO_BACKBONE and norm == "frozen":
        lines.append(
            f"params.yaml: model.norm: frozen needs a pretrained backbone, but {arch} has none. Set batch, sync or "
            "group."
        )
    if pretrained is False:
        return lines
    if arch in NO_BACKBONE:
        lines.append(
            f"params.yaml: model.pretrained: found {pretrained}, but {arch} has no backbone. Set it to false."
        )
    elif pretrained not in (True, "auto") and not Path(str(pretrained)).is_file():
        lines.append(
            f"params.yaml: model.pretrained: {pretrained!r} is no file."
            f"{hint(str(pretrained), ('auto', 'true', 'false'))} Set auto, true, false, or the path of a weights file."
        )
    return lines


def _instance_lines(arch: str, instances: str) -> list[str]:
    """Return the line about heads that an architecture cannot have."""
    if instances == "none" or arch not in ARCHS or arch in INSTANCE_ARCHS:
        return []
    return [
        f"params.yaml: model.instances: found {instances}, but {arch} has no such heads. Set model.arch to one of "
        f"{', '.join(sorted(INSTANCE_ARCHS))}, or model.instances to none."
    ]


def _freeze_lines(part: str, pretrained: bool | str) -> list[str]:
    if part == "none" or pretrained is not False:
        return []
    return [
        f"params.yaml: model.freeze: {part} would keep random weights, since model.pretrained is false. Set "
        "model.freeze to none, or name weights in model.pretrained."
    ]


def _window_lines(params: Params) -> list[str]:
    """Return a line if the batch norm of a GAN would have only one value for its statistics."""
    gan = params.train_gan
    height, width = gan.crop_size or params.data.crop_size
    multiple = PRESETS[gan.preset].multiple
    if gan.batch_size > 1 or max(height, width) > multiple:
        return []
    key = "data.crop_size" if gan.crop_size is None else "train_gan.crop_size"
    return [
        f"params.yaml: train_gan.batch_size: with one image of {key} {[height, width]} the batch norm of the preset "
        f"{gan.preset} has a single value. Set 2 images or more, or a window above {multiple} pixels."
    ]
