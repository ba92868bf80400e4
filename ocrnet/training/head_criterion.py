"""What the losses of all instance heads share: known objects, whole batches, and the weighted sum of parts."""

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ocrnet.config import TrainParams
from ocrnet.losses.base import Weights, Whole
from ocrnet.models.output import SegmenterOutput


class HeadCriterion(nn.Module):
    """The weighted sum of the losses of instance heads. A kind of heads has a subclass.

    Args:
        params: Params of the training.
        ignore_index: Label of pixels that are ignored.

    Attributes:
        weight_names: Names of the params that weight the parts, in their order.
    """

    weight_names: ClassVar[tuple[str, ...]]

    def __init__(self, params: TrainParams, *, ignore_index: int) -> None:
        super().__init__()
        self.weights = tuple(float(getattr(params, name)) for name in self.weight_names)
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
            align_corners: Whether resizing of maps aligns corners.
            sample_weights: Weight of each image or of each pixel.
            whole: Batch that the output is a part of; None if it is the batch.
        """
        assert output.instances is not None
        part = self._without_ignored(Whole(label_maps, sample_weights, numbers))
        batch = part if whole is None else self._without_ignored(whole)
        parts = self.parts(output.instances, part, batch, align_corners=align_corners)
        return torch.stack([w * one for w, one in zip(self.weights, parts, strict=True)]).sum()

    def parts(
        self, maps: Float[Tensor, "B D h w"], part: Whole, batch: Whole, *, align_corners: bool
    ) -> list[Float[Tensor, ""]]:
        """Return what each part of the loss is, before it is weighted.

        Args:
            maps: Result of the heads.
            part: Labels, weights and objects of the images of the maps.
            batch: Those of the batch that they are a part of.
            align_corners: Whether resizing of maps aligns corners.
        """
        raise NotImplementedError

    def _without_ignored(self, batch: Whole) -> Whole:
        """Return a batch in which ignored pixels belong to no object: an object has no class there."""
        assert batch.numbers is not None
        ignored = (batch.label_maps == self.ignore_index) & (batch.numbers > 0)
        return batch._replace(numbers=torch.where(ignored, 0, batch.numbers))
