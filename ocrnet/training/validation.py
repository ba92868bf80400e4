"""Scoring of a model on whole images, for the validation during training."""

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from ocrnet.distributed.ranks import rank, sum_over_ranks, world_size
from ocrnet.metrics import confusion_matrix
from ocrnet.models.folded_heads import fold_heads
from ocrnet.models.output import SegmentationModel, full_size_logits, normalise
from ocrnet.training.dataset import ImageFolder


@torch.inference_mode()
def score_folder(
    model: SegmentationModel,
    folder: ImageFolder,
    *,
    num_classes: int,
    ignore_index: int,
    mean: Float[Tensor, "1 3 1 1"],
    std: Float[Tensor, "1 3 1 1"],
) -> npt.NDArray[np.int64]:
    """Return the confusion matrix over a folder (rows truth, columns predicted); leaves the model in eval mode.

    The batch size is 1, because the order of sums in a kernel may depend on it. The images are divided among the ranks,
    each of which must call this function. The sums are of integers, so the matrix is the same in every process and for
    any number of processes.
    """
    network = fold_heads(model.eval())
    total = np.zeros((num_classes, num_classes), dtype=np.int64)
    for index in range(rank(), len(folder), world_size()):
        item = folder.item(index)
        pixels = torch.from_numpy(item.image).to(mean.device).permute(2, 0, 1)[None]
        images = normalise(pixels, mean=mean, std=std)
        predicted = full_size_logits(network, images)[0].argmax(dim=0).cpu().numpy()
        total += confusion_matrix(
            predicted, item.label_map, num_classes=num_classes, ignore_index=ignore_index
        )
    summed = sum_over_ranks(torch.from_numpy(total).to(mean.device))
    return np.asarray(summed.cpu().numpy(), dtype=np.int64)
