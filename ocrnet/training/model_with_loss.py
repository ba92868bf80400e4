"""Model and criterion as one module, for one process or several."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from ocrnet.losses.base import Weights, Whole
from ocrnet.models.output import SegmentationModel
from ocrnet.runtime import autocast
from ocrnet.training.criterion import Criterion
from ocrnet.training.head_criterion import HeadCriterion
from ocrnet.training.pseudo_loss import PseudoLoss


class Objective(nn.Module):
    """A model and its criterion as one module, so that DDP finds the weights that the loss depends on.

    Args:
        model: Segmenter to train.
        criterion: Loss to minimise.
        precision: Precision of the model: auto, fp32, bf16 or fp16; the criterion computes in float32.
        instances: Loss of the instance heads; None for a model without them.
        pseudo_loss: Loss of pseudo-labels; None if there are no unlabelled images.
    """

    def __init__(
        self,
        model: SegmentationModel,
        criterion: Criterion,
        *,
        precision: str,
        instances: HeadCriterion | None = None,
        pseudo_loss: PseudoLoss | None = None,
    ) -> None:
        super().__init__()
        self.instances = instances
        self.model = model
        self.criterion = criterion
        self.precision = precision
        self.pseudo_loss = pseudo_loss

    def forward(
        self,
        images: Float[Tensor, "B 3 H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Weights | None,
        whole: Whole | None = None,
        *,
        numbers: Int[Tensor, "B H W"] | None = None,
        pixels: Float[Tensor, ""] | None = None,
    ) -> Float[Tensor, ""]:
        """Return the loss of a batch with weighted samples, or what a part adds to the loss of a whole batch.

        With `pixels`, which `PseudoLoss` explains, the label maps are pseudo-labels.
        """
        with autocast(images.device, self.precision):
            output = self.model(images)
        if pixels is not None:
            assert self.pseudo_loss is not None
            pseudo: Tensor = self.pseudo_loss(
                output, label_maps, align_corners=self.model.align_corners, pixels=pixels
            )
            # Pseudo-labels tell no objects apart; DDP waits for a gradient in every weight all the same.
            return pseudo if output.instances is None else pseudo + 0.0 * output.instances.sum()
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
