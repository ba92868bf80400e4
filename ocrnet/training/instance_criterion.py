"""The training loss of the instance heads."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ocrnet.config import TrainParams
from ocrnet.losses.base import Weights, Whole
from ocrnet.losses.instances import UNKNOWN, instance_loss, instance_targets, weight_maps
from ocrnet.models.output import OFFSET_UNIT, SegmenterOutput, resize_logits


class InstanceCriterion(nn.Module):
    """The weighted loss of centre heat map and offsets.

    Args:
        params: Params of the training.
        ignore_index: Label of pixels that are ignored.
    """

    def __init__(self, params: TrainParams, *, ignore_index: int) -> None:
        super().__init__()
        self.weights = (params.centre_weight, params.offset_weight)
        self.sigma = params.centre_sigma
        self.ignore_index = ignore_index

    def forward(
        self,
        output: SegmenterOutput,
        label_maps: Int[Tensor, "B H W"],
        numbers: Int[Tensor, "B H W"] | None,
        *,
        align_corners: bool,
        sample_weights: Weights,
        whole: Whole | None = None,
    ) -> Float[Tensor, ""]:
        """Return the loss of a batch, or what a part adds to the loss of a whole batch.

        Args:
            output: Output of a model with instance heads.
            label_maps: Class ids.
            numbers: Number of the object at each pixel, 0 for none, -1 where objects are not known.
            align_corners: Whether resizing of the maps aligns corners.
            sample_weights: Weight of each image or of each pixel.
            whole: Batch that the output is a part of; None if it is the batch.
        """
        assert output.instances is not None
        assert numbers is not None
        size = (label_maps.shape[-2], label_maps.shape[-1])
        maps = resize_logits(output.instances, size, align_corners=align_corners)
        centre, offset = instance_loss(
            maps,
            instance_targets(numbers, sigma=self.sigma),
            label_maps != self.ignore_index,
            sample_weights,
            unit=OFFSET_UNIT,
            whole=None if whole is None else self._totals(whole),
        )
        return self.weights[0] * centre + self.weights[1] * offset

    def _totals(self, whole: Whole) -> tuple[Tensor, Tensor]:
        assert whole.numbers is not None
        valid = whole.label_maps != self.ignore_index
        maps = weight_maps(whole.numbers != UNKNOWN, whole.numbers > 0, valid, whole.sample_weights)
        everywhere, inside = (torch.sum(one) for one in maps)
        return everywhere, inside
