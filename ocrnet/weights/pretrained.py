"""Pretrained weights: timm's, downloaded on request, or those of a file of any program that we can read."""

import logging

import timm

from ocrnet.errors import BundleError, ParamsError
from ocrnet.models.output import SegmentationModel
from ocrnet.weights import LoadReport, load_state, load_weights

logger = logging.getLogger(__name__)


def load_backbone_weights(model: SegmentationModel, backbone: str, pretrained: bool | str) -> None:
    """Load pretrained weights: into a model's backbone, and into the rest of it where the file has that too.

    Args:
        model: Segmenter with `backbone.net`.
        backbone: Name of the backbone in timm.
        pretrained: False keeps the random weights; true loads timm's; a path loads that file: of the backbone alone,
            or any that `ocrnet.weights.load.load_weights` reads.

    Raises:
        ParamsError: The model has no backbone of timm's, or timm has no weights of that name.
        BundleError: The file cannot be read, or less than 95% of the backbone's entries are in it.
    """
    if pretrained is False:
        return
    if not any(name.startswith("backbone.net.") for name in model.state_dict()):
        raise ParamsError(
            f"params.yaml: model.pretrained: {pretrained}, but {type(model).__name__} has no backbone that "
            "pretrained weights would fit. Set it to false, or take another model.arch."
        )
    report = _from_timm(model, backbone) if pretrained is True else _from_file(model, pretrained)
    for line in report.lines():
        logger.info("%s", line)
    for warning in report.warnings:
        logger.warning("model.pretrained: %s", warning)


def _from_timm(model: SegmentationModel, backbone: str) -> LoadReport:
    if not timm.is_model_pretrained(backbone):
        raise ParamsError(
            f"params.yaml: model.pretrained: true, but timm has no weights of {backbone}. "
            "Give a file, or set it to false."
        )
    try:
        weights = timm.create_model(backbone, pretrained=True).state_dict()
    except (
        Exception
    ) as error:  # what a download that fails raises depends on the hub's client and on its version
        reason = " ".join(str(error).split())[:200]
        raise BundleError(
            f"params.yaml: model.pretrained: true, but timm's weights of {backbone} cannot be fetched: {reason}. "
            "Give a file, or set it to false."
        ) from None
    return load_state(model, weights, source=f"timm's {backbone}")


def _from_file(model: SegmentationModel, path: str | bool) -> LoadReport:
    try:
        return load_weights(model, str(path))
    except BundleError as error:
        raise BundleError(f"params.yaml: model.pretrained: {error}") from None
