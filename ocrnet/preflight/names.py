"""A check of all names in the params, before anything runs and without importing the named components.

A component's name must be in its table, and a file must exist. `ocrnet/preflight/networks.py` builds what is named.
"""

from collections.abc import Iterable
from pathlib import Path

from ocrnet.config import Params
from ocrnet.config.arms import ARMS
from ocrnet.errors import ParamsError
from ocrnet.errors.near_names import hint
from ocrnet.gan.designs import DESIGNS
from ocrnet.gan.generator.presets import PRESETS
from ocrnet.gan.layouts.operations import OPERATIONS
from ocrnet.gan.quality import extractor_lines
from ocrnet.losses import LOSSES
from ocrnet.losses.expression import parse_loss
from ocrnet.models import ARCHS, NO_BACKBONE
from ocrnet.models.forms import DEEP_BASE, FORMS
from ocrnet.models.known import is_known_backbone, timm_models
from ocrnet.models.norms import NORMS
from ocrnet.raw.sources import SOURCES


def check_component_names(params: Params) -> None:
    """Check the names of components and of weights that the params give.

    Raises:
        ParamsError: A name is wrong; one line for each.
    """
    checks: list[tuple[str, str, Iterable[str]]] = [
        ("data.source", params.data.source, SOURCES),
        ("model.arch", params.model.arch, ARCHS),
        ("model.norm", params.model.norm, NORMS),
        ("model.form", params.model.form, FORMS),
        ("train_gan.arch", params.train_gan.arch, DESIGNS),
        *(("synthesize.operations", name, OPERATIONS) for name in params.synthesize.operations),
        *(("retrain.arms", arm, ARMS) for arm in params.retrain.arms),
    ]
    lines = _loss_lines(params.train.loss)
    lines += [
        f"params.yaml: {key}: {name!r} is unknown.{hint(name, table)} Known: {', '.join(table)}."
        for key, name, table in checks
        if name not in set(table)
    ]
    backbone = params.model.backbone.split(".")[0].removeprefix(DEEP_BASE)
    if not is_known_backbone(params.model.backbone):
        lines.append(
            f"params.yaml: model.backbone: timm has no {params.model.backbone!r}.{hint(backbone, timm_models())} "
            "Take a model of timm that gives features."
        )
    lines += _pretrained_lines(params.model.arch, params.model.norm, params.model.pretrained)
    lines += _window_lines(params)
    lines += extractor_lines(params.select.extractor, timm_models())
    if lines:
        raise ParamsError("\n".join(lines))


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
            f"params.yaml: model.norm: frozen is for a pretrained backbone, and {arch} has none. Take batch, sync or "
            "group."
        )
    if pretrained is False:
        return lines
    if arch in NO_BACKBONE:
        lines.append(
            f"params.yaml: model.pretrained: {pretrained}, but {arch} has no backbone to load it into. Set it to false."
        )
    elif isinstance(pretrained, str) and not Path(pretrained).is_file():
        lines.append(
            f"params.yaml: model.pretrained: {pretrained!r} is no file.{hint(pretrained, ('true', 'false'))} "
            "Write true, false, or the path of a file of weights."
        )
    return lines


def _window_lines(params: Params) -> list[str]:
    """Return a line if a GAN's window leaves its batch norm a single value to take statistics of."""
    gan = params.train_gan
    height, width = gan.crop_size or params.data.crop_size
    multiple = PRESETS[gan.preset].multiple
    if gan.batch_size > 1 or max(height, width) > multiple:
        return []
    key = "data.crop_size" if gan.crop_size is None else "train_gan.crop_size"
    return [
        f"params.yaml: train_gan.batch_size: one image of {key} {[height, width]} leaves the batch norm of the preset "
        f"{gan.preset} a single value. Take 2 images or more, or a window above {multiple} pixels."
    ]
