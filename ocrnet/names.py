"""A check of all component names in the params, before anything runs and without importing what they name."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ocrnet.config import Params
from ocrnet.data.arms import ARMS
from ocrnet.data.sources import SOURCES
from ocrnet.errors import ParamsError
from ocrnet.gan.designs import DESIGNS
from ocrnet.gan.layouts import OPERATIONS
from ocrnet.losses import LOSSES
from ocrnet.losses.expression import parse_loss
from ocrnet.models import ARCHS, NO_BACKBONE
from ocrnet.models.forms import DEEP_BASE, FORMS
from ocrnet.models.norms import NORMS
from ocrnet.quality import extractor_lines


def check_component_names(params: Params) -> None:
    """Check the names of source, architecture, norm, form, backbone, loss and arms against their tables.

    Raises:
        ParamsError: with one line per unknown name.
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
        f"params.yaml: {key}: {name!r} is unknown. Known: {', '.join(table)}."
        for key, name, table in checks
        if name not in set(table)
    ]
    backbone = params.model.backbone.split(".")[0].removeprefix(DEEP_BASE)
    if backbone not in timm_models():
        near = sorted(name for name in timm_models() if name[:5] == backbone[:5])[:8]
        hint = f" Near: {', '.join(near)}." if near else ""
        lines.append(f"params.yaml: model.backbone: timm has no {params.model.backbone!r}.{hint}")
    if params.model.arch in NO_BACKBONE and params.model.pretrained is not False:
        lines.append(
            f"params.yaml: model.pretrained: {params.model.pretrained}, but {params.model.arch} has no backbone to "
            "load it into. Set it to false."
        )
    lines += extractor_lines(params.select.extractor, timm_models())
    if lines:
        raise ParamsError("\n".join(lines))


def _loss_lines(text: str) -> list[str]:
    try:
        parse_loss(text, LOSSES)
    except ParamsError as error:
        return [str(error)]
    return []


@cache
def timm_models() -> frozenset[str]:
    """Return the names of timm's models, read from its source text: importing timm takes ten seconds."""
    spec = find_spec("timm")
    assert spec is not None
    assert spec.origin is not None
    pattern = re.compile(r"^@register_model\s+def (\w+)\(", re.MULTILINE)
    return frozenset(
        name
        for path in (Path(spec.origin).parent / "models").glob("*.py")
        for name in pattern.findall(path.read_text())
    )
