"""The mean teacher: the moving average of the student's weights labels unlabelled images for the student.

As in the mean teacher (arXiv:1703.01780) the teacher is the average of the weights that is scored and saved anyway.
As in UniMatch (arXiv:2208.09910) it sees a weak view and its confident pixels are the labels of a strong view, into
which a box of another strong view is pasted with its labels (CutMix for segmentation, arXiv:1906.01916).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ocrnet.config import MeanTeacherParams
from ocrnet.distributed.ranks import copy_from_first, sum_over_ranks
from ocrnet.models.output import SegmentationModel, resize_logits
from ocrnet.runtime import autocast
from ocrnet.training.pseudo_labels import ClassThresholds, pseudo_label_maps, swap_boxes
from ocrnet.training.unlabelled_batches import UnlabelledBatch


class Lesson(NamedTuple):
    """What the student learns from a part of an unlabelled batch."""

    images: Tensor  # [U, 3, h, w] uint8
    label_maps: Tensor  # [U, h, w] int64, ignored where the teacher is not confident
    pixels: Tensor  # number of pixels inside the images of the whole batch, of all ranks
    ids: list[str]


class MeanTeacher:
    """The teacher of a training, with its thresholds and the count of its pseudo-labels.

    Args:
        model: Model with the averaged weights.
        params: Params of the mean teacher.
        num_classes: Number of classes.
        ignore_index: Label of pixels that do not count.
        precision: Precision of the model.
        normalise: Function from uint8 images to the model's input.
        device: Device of the model.
    """

    def __init__(
        self,
        model: SegmentationModel,
        params: MeanTeacherParams,
        *,
        num_classes: int,
        ignore_index: int,
        precision: str,
        normalise: Callable[[Tensor], Tensor],
        device: torch.device,
    ) -> None:
        self._model, self._params = model, params
        self._ignore_index, self._precision = ignore_index, precision
        self._normalise, self._device = normalise, device
        self._thresholds = ClassThresholds(
            num_classes, threshold=params.threshold, class_share=params.class_share, device=device
        )
        # Pixels of each class that got a pseudo-label, and last all pixels, of all batches.
        self._counts = torch.zeros(num_classes + 1, dtype=torch.float64)
        self._step_counts = self._counts

    def weight(self, step: int, steps: int) -> float:
        """Return the weight of the loss at a step: it rises as exp(-5 (1 - t)^2), t from 0 to 1 (arXiv:1610.02242)."""
        ramp = self._params.ramp_up * steps
        rest = 1 - min(1.0, step / ramp) if ramp else 0.0
        return self._params.weight * math.exp(-5 * rest**2)

    @torch.no_grad()
    def lessons(self, batch: UnlabelledBatch, *, parts: int) -> list[Lesson]:
        """Label a batch and return it in parts of whole pairs."""
        # Statistics that are not synchronised come from rank 0, as in a training that continues from a checkpoint.
        copy_from_first(self._model.buffers())
        pieces = batch.parts(parts)
        predicted = [self._predict(piece.weak) for piece in pieces]
        classes, confidences = (torch.cat(found) for found in zip(*predicted, strict=True))
        inside, boxes = batch.inside.to(self._device), batch.boxes.to(self._device)
        self._thresholds.update(classes, confidences, inside)
        labels = pseudo_label_maps(
            classes, confidences, self._on_device(self._thresholds.values()),
            inside=inside, ignore_index=self._ignore_index,
        )  # fmt: skip
        pixels = self._count(labels, swap_boxes(inside, boxes))
        images = swap_boxes(batch.strong.to(self._device), boxes)
        labels = swap_boxes(labels, boxes)
        size = len(labels) // parts
        spans = [slice(size * i, size * (i + 1)) for i in range(parts)]
        return [Lesson(images[span], labels[span], pixels, batch.ids[span]) for span in spans]

    def step_shares(self) -> list[float]:
        """Return the pixels of each class with a pseudo-label as a share of all pixels, in the last step."""
        return _shares(self._step_counts)

    def shares(self) -> list[float]:
        """Return these shares over all steps so far."""
        return _shares(self._counts)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state for a checkpoint."""
        return {**self._thresholds.state_dict(), "counts": self._counts}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from a state."""
        self._thresholds.load_state_dict(state)
        self._counts = state["counts"].clone()

    def _predict(self, images: UInt8[Tensor, "B 3 H W"]) -> tuple[Tensor, Tensor]:
        """Return the most likely class of each pixel, and its probability."""
        size = (images.shape[-2], images.shape[-1])
        with autocast(self._device, self._precision):
            logits = self._model(self._normalise(images)).logits
        full = resize_logits(logits, size, align_corners=self._model.align_corners)
        confidences, classes = full.softmax(1).max(1)
        return classes, confidences

    def _count(self, labels: Tensor, inside: Tensor) -> Float[Tensor, ""]:
        """Count the pseudo-labels of the batch of all ranks, and return the number of its pixels inside the images."""
        kept = labels[labels != self._ignore_index]
        counts = torch.bincount(kept, minlength=len(self._counts) - 1)
        numbers = torch.cat([counts, inside.sum()[None]])
        found = sum_over_ranks((numbers.cpu() if numbers.is_mps else numbers).double())
        self._step_counts = found.cpu()
        self._counts = self._counts + self._step_counts
        return self._on_device(found[-1])

    def _on_device(self, values: Tensor) -> Tensor:
        """Return float64 values on the device of the model; Apple's GPUs only have float32."""
        return values.float().to(self._device) if self._device.type == "mps" else values


def _shares(counts: Float[Tensor, " N"]) -> list[float]:
    shares: list[float] = (counts[:-1] / counts[-1].clamp(min=1)).tolist()
    return shares
