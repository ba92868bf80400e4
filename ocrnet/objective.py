"""What a training step differentiates: a model with its criterion, by one process or by several."""

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ocrnet.criterion import Criterion
from ocrnet.distributed import is_distributed
from ocrnet.models.output import SegmentationModel
from ocrnet.runtime import autocast


class Objective(nn.Module):
    """A model with its criterion in one module, so that DDP knows which weights the loss depends on.

    Args:
        model: the segmenter.
        criterion: what is minimised.
        precision: of the model; the criterion computes in float32.
    """

    def __init__(self, model: SegmentationModel, criterion: Criterion, *, precision: str) -> None:
        super().__init__()
        self.model = model
        self.criterion = criterion
        self.precision = precision

    def forward(
        self,
        images: Float[Tensor, "B 3 H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Float[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        """Return the loss of a batch; each sample counts what it weighs."""
        with autocast(images.device, self.precision):
            output = self.model(images)
        loss: Tensor = self.criterion(
            output,
            label_maps,
            align_corners=self.model.align_corners,
            sample_weights=sample_weights,
        )
        return loss


def over_ranks(objective: nn.Module) -> nn.Module:
    """Average the gradients over the ranks, where there are several.

    Before each forward DDP copies the buffers of rank 0: running statistics that are not synchronised are rank 0's.
    `find_unused_parameters`: an auxiliary head whose loss weighs nothing gets no gradient. It also keeps DDP from
    forming other buckets after the first step, which would add gradients up in another order than after a restart.
    """
    if not is_distributed():
        return objective
    return DistributedDataParallel(objective, find_unused_parameters=True)
