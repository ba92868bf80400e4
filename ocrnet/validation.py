"""Scoring of a model in memory on whole images, as validation does while it trains."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from ocrnet.data.dataset import ImageFolder, Item
from ocrnet.metrics import confusion_matrix
from ocrnet.models.output import SegmentationModel
from ocrnet.predict import full_size_logits, normalise


@torch.inference_mode()
def score_folder(
    model: SegmentationModel,
    folder: ImageFolder,
    *,
    num_classes: int,
    ignore_index: int,
    mean: Float[Tensor, "1 3 1 1"],
    std: Float[Tensor, "1 3 1 1"],
    batch_size: int,
) -> npt.NDArray[np.int64]:
    """Return the confusion matrix over a folder (rows truth, columns predicted); leaves the model in eval mode."""
    model.eval()
    total = np.zeros((num_classes, num_classes), dtype=np.int64)
    for items in _batches(folder, batch_size):
        pixels = torch.from_numpy(np.stack([item.image for item in items])).to(mean.device)
        images = normalise(pixels.permute(0, 3, 1, 2), mean=mean, std=std)
        predicted = full_size_logits(model, images).argmax(dim=1).cpu().numpy()
        truth = np.stack([item.label_map for item in items])
        total += confusion_matrix(
            predicted, truth, num_classes=num_classes, ignore_index=ignore_index
        )
    return total


def _batches(folder: ImageFolder, batch_size: int) -> Iterator[list[Item]]:
    """Yield neighbours of equal size together."""
    batch: list[Item] = []
    for index in range(len(folder)):
        item = folder.item(index)
        if batch and (len(batch) == batch_size or item.image.shape != batch[0].image.shape):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
