"""One step of a segmenter's training."""

import logging
import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ocrnet.bundles.bundle import Decoding, ModelCard, build_model
from ocrnet.checkpoint import Resumable
from ocrnet.config import Params
from ocrnet.data.manifest import ClassTable
from ocrnet.distributed.ddp import over_ranks, without_averaging
from ocrnet.distributed.ranks import (
    gather_names,
    is_distributed,
    rank,
    sum_over_ranks,
    world_size,
)
from ocrnet.errors import ParamsError, TrainError
from ocrnet.losses.base import Whole
from ocrnet.models import segmenter_options
from ocrnet.models.layers import read_layers
from ocrnet.models.output import SegmentationModel, normalise
from ocrnet.runtime import key_seed, pick_device, seeded
from ocrnet.training.batches import TrainBatch
from ocrnet.training.criterion import Criterion
from ocrnet.training.data import TrainingData
from ocrnet.training.freeze import freeze
from ocrnet.training.instance_criterion import InstanceCriterion
from ocrnet.training.model_with_loss import Objective
from ocrnet.training.optim import build_optimizer, learning_rate, set_learning_rate
from ocrnet.weight_ema import WeightAverage
from ocrnet.weights.pretrained import input_statistics, load_backbone_weights

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepValues:
    """The loss of one step, which in every process is over the whole batch, and the learning rate."""

    loss: float
    rate: float


class SegmenterTrainer(Resumable):
    """A segmenter with its optimizer and the moving average of its weights.

    Args:
        params: Params of all stages.
        data: Training data, which defines the classes and their weights.
        seed: Random seed of the training run.
    """

    def __init__(self, params: Params, data: TrainingData, *, seed: int) -> None:
        self.recipe = params.train
        self._seed = seed
        device = pick_device()
        self.card = _card(params, data.classes, data.things)
        self.model = _build_model(params, self.card, seed)
        # Channels last saves a tenth of the time per step on a CPU, and tensor cores need it.
        self.model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        criterion = Criterion(
            self.recipe,
            data.real.pixel_counts(data.classes.class_names),
            num_classes=data.classes.num_classes,
            ignore_index=data.classes.ignore_index,
        )
        self._frozen = freeze(self.model, params.model.backbone, params.model.freeze)
        instances = None
        if params.model.instances != "none":
            instances = InstanceCriterion(self.recipe, ignore_index=data.classes.ignore_index)
        objective = Objective(
            self.model, criterion, precision=self.recipe.precision, instances=instances
        )
        self.average = WeightAverage(self.model, self.recipe.ema_decay, average_buffers=True)
        self._objective = over_ranks(objective.to(device))
        is_pretrained = params.model.pretrained is not False
        layers = read_layers(params.model.backbone) if is_pretrained else None
        self._optimizer = build_optimizer(self.model, self.recipe, layers)
        self.mean = torch.tensor(self.card.mean, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(self.card.std, device=device).view(1, 3, 1, 1)

    def step(self, step: int, batch: TrainBatch, *, rate: float | None = None) -> StepValues:
        """Train the segmenter on one batch.

        Args:
            step: Number of the step, from 0.
            batch: This process's share of the batch.
            rate: Learning rate; None: that of the schedule.

        Raises:
            TrainError: The loss or the norm of the gradient is not finite.
        """
        # One seed per rank: with the same seed, the images of all ranks would have the same dropout.
        own = [rank()] if is_distributed() else []
        torch.manual_seed(key_seed(self._seed, "step", step, *own))
        rate = learning_rate(step, self.recipe) if rate is None else rate
        set_learning_rate(self._optimizer, rate)
        loss = self._descend(step, batch)
        self.average.update(self.model, step)
        return StepValues(loss, rate)

    def _descend(self, step: int, batch: TrainBatch) -> float:
        """Make an optimizer step on a batch, whose gradients are added up part by part, and return its loss."""
        self.model.train()
        for module in self._frozen:
            module.eval()
        self._optimizer.zero_grad(set_to_none=True)
        parts = batch.parts(self.recipe.accumulate)
        whole = self._whole(batch) if len(parts) > 1 else None
        total = 0.0
        for part in parts:
            with nullcontext() if part is parts[-1] else without_averaging(self._objective):
                loss = self._loss(part, whole)
                # Each rank has the loss of all ranks; the mean is not finite if any of them is not.
                total += float(sum_over_ranks(loss.detach()) / world_size())
                _check_finite(total, "loss", step, part)
                loss.backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip_norm is not None:
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
            _check_finite(float(norm), "norm of the gradient", step, batch)
        self._optimizer.step()
        return total

    def _loss(self, part: TrainBatch, whole: Whole | None) -> Tensor:
        device = self.mean.device
        images = normalise(part.images.to(device), mean=self.mean, std=self.std)
        images = images.contiguous(memory_format=torch.channels_last)
        loss: Tensor = self._objective(
            images, part.label_maps.to(device), part.weights.to(device), whole,
            None if part.numbers is None else part.numbers.to(device),
        )  # fmt: skip
        return loss

    def _whole(self, batch: TrainBatch) -> Whole:
        device = self.mean.device
        numbers = None if batch.numbers is None else batch.numbers.to(device)
        return Whole(batch.label_maps.to(device), batch.weights.to(device), numbers)

    def _parts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "average": self.average.model,
            "optimizer": self._optimizer,
        }


def _card(params: Params, classes: ClassTable, things: tuple[str, ...]) -> ModelCard:
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


def _build_model(params: Params, card: ModelCard, seed: int) -> SegmentationModel:
    """Return the segmenter with its initial weights."""
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


def _check_finite(value: float, what: str, step: int, batch: TrainBatch) -> None:
    if not math.isfinite(value):
        raise TrainError(
            f"step {step}: the {what} is {value} on the batch {', '.join(gather_names(batch.ids))}. "
            "Lower train.lr or set train.clip_norm, and check these images."
        )
