"""The training loss: the loss of the main logits plus the weighted loss of the auxiliary logits."""

import logging
import math

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ocrnet.config import TrainParams
from ocrnet.losses import build_loss, taken_options
from ocrnet.losses.base import Weights, Whole
from ocrnet.models.output import SegmenterOutput, resize_logits
from ocrnet.training.class_weights import class_weights

logger = logging.getLogger(__name__)


class Criterion(nn.Module):
    """The total loss of a segmenter's output.

    Args:
        params: Params of the training.
        pixel_counts: Training pixels per image and class, for the class weights.
        num_classes: Number of classes in the logits.
        ignore_index: Label of pixels that are ignored.
    """

    def __init__(
        self,
        params: TrainParams,
        pixel_counts: npt.NDArray[np.int64],
        *,
        num_classes: int,
        ignore_index: int,
    ) -> None:
        super().__init__()
        weights = class_weights(params.class_weights, pixel_counts)
        if weights is not None and "class_weights" not in taken_options(params.loss):
            logger.warning(
                "train.class_weights %s has no effect on train.loss %s",
                params.class_weights,
                params.loss,
            )
        self.loss = build_loss(
            params.loss,
            num_classes=num_classes,
            ignore_index=ignore_index,
            class_weights=None if weights is None else torch.from_numpy(weights),
            threshold=params.ohem_threshold,
            min_kept=math.ceil(params.ohem_min_kept / params.accumulate),  # of each part
            gamma=params.focal_gamma,
        )
        self.aux_weight = params.aux_weight

    def forward(
        self,
        output: SegmenterOutput,
        label_maps: Int[Tensor, "B H W"],
        *,
        align_corners: bool,
        sample_weights: Weights | None = None,
        whole: Whole | None = None,
    ) -> Float[Tensor, ""]:
        """Return the total loss of logits that are first resized to the label maps.

        Args:
            output: Main logits and, if the model has them, auxiliary logits.
            label_maps: Class ids.
            align_corners: Whether resizing of the logits aligns corners.
            sample_weights: Weight of each image or of each pixel; None gives each 1.
            whole: Batch that the output is a part of; None if it is the batch.

        Raises:
            DataError: A label is neither a class nor ignored.
        """
        size = (label_maps.shape[-2], label_maps.shape[-1])
        main = resize_logits(output.logits, size, align_corners=align_corners)
        total: Tensor = self.loss(main, label_maps, sample_weights, whole)
        if output.aux_logits is not None and self.aux_weight > 0:
            aux = resize_logits(output.aux_logits, size, align_corners=align_corners)
            total = total + self.aux_weight * self.loss.aux(aux, label_maps, sample_weights, whole)
        return total
