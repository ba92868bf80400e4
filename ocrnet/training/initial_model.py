"""The segmenter before its first step: its card, its network and its initial weights."""

import logging

import torch

from ocrnet.bundles.bundle import build_model
from ocrnet.bundles.card import Decoding, ModelCard
from ocrnet.config import Params
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import ParamsError
from ocrnet.models import segmenter_options
from ocrnet.models.output import SegmentationModel
from ocrnet.runtime import seeded
from ocrnet.weights.pretrained import input_statistics, load_backbone_weights

logger = logging.getLogger(__name__)


def card_of(params: Params, classes: ClassTable, things: tuple[str, ...] = ()) -> ModelCard:
    """Return the card of the model that a training makes, before it is trained.

    Args:
        params: Params of all stages.
        classes: Class table of the data.
        things: Names of the classes whose objects are told apart.
    """
    decoding = Decoding(
        params.data.value_range,
        params.data.exif,
        params.prepare.resize,
        params.data.max_pixels,
        alpha=params.data.alpha,
        extra_bands=params.data.extra_bands,
    )
    mean, std = input_statistics(params.model.backbone, params.model.pretrained)
    options = segmenter_options(params.model.model_dump())
    return ModelCard(
        params.model.arch, options, classes, mean=mean, std=std, decoding=decoding, things=things
    )


def initial_model(params: Params, card: ModelCard, seed: int) -> SegmentationModel:
    """Return the segmenter with its initial weights.

    Raises:
        ParamsError: The backbone does not accept images of the crop's size.
    """
    with seeded(seed, "init"):
        model = build_model(card)
    _try_forward(model, params)
    load_backbone_weights(model, params.model.backbone, params.model.pretrained)
    if params.model.norm == "frozen" and params.model.pretrained is False:
        logger.warning(
            "model.norm: frozen keeps the statistics of random weights. Set model.pretrained, or another norm"
        )
    return model


def _try_forward(model: SegmentationModel, params: Params) -> None:
    """Refuse a backbone that does not accept images of the crop's size, before the training starts."""
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 3, *params.data.crop_size))
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ParamsError(
            f"params.yaml: model.backbone: {params.model.backbone} does not accept images of "
            f"{list(params.data.crop_size)}: {reason}. Set a backbone for any size, or change data.crop_size."
        ) from error
