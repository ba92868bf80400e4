"""Model and criterion as one module, for one process or several."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from ocrnet.losses.base import Weights, Whole
from ocrnet.models.output import SegmentationModel
from ocrnet.runtime import autocast
from ocrnet.training.criterion import Criterion
from ocrnet.training.instance_criterion import InstanceCriterion


class Objective(nn.Module):
    """A model and its criterion as one module, so that DDP finds the weights that the loss depends on.

    Args:
        model: Segmenter to train.
        criterion: Loss to minimise.
        precision: Precision of the model: auto, fp32 or bf16; the criterion computes in float32.
        instances: Loss of the instance heads; None for a model without them.
    """

    def __init__(
        self,
        model: SegmentationModel,
        criterion: Criterion,
        *,
        precision: str,
        instances: InstanceCriterion | None = None,
    ) -> None:
        super().__init__()
        self.instances = instances
        self.model = model
        self.criterion = criterion
        self.precision = precision

    def forward(
        self,
        images: Float[Tensor, "B 3 H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Weights,
        whole: Whole | None = None,
        numbers: Int[Tensor, "B H W"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return the loss of a batch with weighted samples, or what a part adds to the loss of a whole batch."""
        with autocast(images.device, self.precision):
            output = self.model(images)
        loss: Tensor = self.criterion(
            output,
            label_maps,
            align_corners=self.model.align_corners,
            sample_weights=sample_weights,
            whole=whole,
        )
        if self.instances is not None:
            loss = loss + self.instances(
                output,
                label_maps,
                numbers,
                align_corners=self.model.align_corners,
                sample_weights=sample_weights,
                whole=whole,
            )
        return loss
