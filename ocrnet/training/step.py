"""One step of a segmenter's training."""

import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ocrnet.checkpoint import Resumable
from ocrnet.config import Params
from ocrnet.distributed.ddp import over_ranks, without_averaging
from ocrnet.distributed.ranks import (
    gather_names,
    is_distributed,
    rank,
    sum_over_ranks,
    world_size,
)
from ocrnet.errors import TrainError
from ocrnet.losses.base import Whole
from ocrnet.models.layers import read_layers
from ocrnet.models.output import normalise
from ocrnet.models.shares import ATTENTION
from ocrnet.runtime import check_scale, key_seed, loss_scaler, training_device
from ocrnet.training.attention_criterion import AttentionCriterion
from ocrnet.training.batches import TrainBatch
from ocrnet.training.compiling import compile_if_wanted
from ocrnet.training.criterion import Criterion
from ocrnet.training.data import TrainingData
from ocrnet.training.freeze import freeze
from ocrnet.training.initial_model import card_of, initial_model
from ocrnet.training.instance_criterion import InstanceCriterion
from ocrnet.training.mean_teacher import Lesson, MeanTeacher
from ocrnet.training.model_with_loss import Objective
from ocrnet.training.norm_statistics import kept_statistics
from ocrnet.training.optim import build_optimizer, learning_rate, set_learning_rate
from ocrnet.training.pseudo_loss import PseudoLoss
from ocrnet.training.unlabelled_batches import UnlabelledBatch
from ocrnet.weight_ema import WeightAverage


@dataclass(frozen=True)
class StepValues:
    """The losses of one step, which in every process are over the whole batch, and the learning rate.

    Args:
        loss: Loss of the labelled images.
        rate: Learning rate.
        unlabelled_loss: Loss of the unlabelled images before it is weighted; None if there are none.
    """

    loss: float
    rate: float
    unlabelled_loss: float | None = None


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
        device = training_device()
        self.card = card_of(params, data.classes, data.things)
        self.model = initial_model(params, self.card, seed)
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
            kind = AttentionCriterion if params.model.instances == ATTENTION else InstanceCriterion
            instances = kind(self.recipe, ignore_index=data.classes.ignore_index)
        objective = Objective(
            self.model,
            criterion,
            precision=self.recipe.precision,
            instances=instances,
            pseudo_loss=self._pseudo_loss(data),
        )
        self.average = WeightAverage(self.model, self.recipe.ema_decay, average_buffers=True)
        compile_if_wanted(self.model, self.recipe.compile, device)  # after the copy for the average
        self._scaler = loss_scaler(device, self.recipe.precision)
        self._objective = over_ranks(objective.to(device))
        is_pretrained = params.model.pretrained is not False
        layers = read_layers(params.model.backbone) if is_pretrained else None
        self._optimizer = build_optimizer(self.model, self.recipe, layers)
        self.mean = torch.tensor(self.card.mean, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(self.card.std, device=device).view(1, 3, 1, 1)
        self.teacher = self._teacher(params, data, device)

    def step(
        self,
        step: int,
        batch: TrainBatch,
        unlabelled: UnlabelledBatch | None = None,
        *,
        rate: float | None = None,
    ) -> StepValues:
        """Train the segmenter on one batch.

        Args:
            step: Number of the step, from 0.
            batch: This process's share of the batch.
            unlabelled: This process's share of the unlabelled images; None if the training has none.
            rate: Learning rate; None: that of the schedule.

        Raises:
            TrainError: The loss or the norm of the gradient is not finite.
        """
        # One seed per rank: with the same seed, the images of all ranks would have the same dropout.
        own = [rank()] if is_distributed() else []
        torch.manual_seed(key_seed(self._seed, "step", step, *own))
        rate = learning_rate(step, self.recipe) if rate is None else rate
        set_learning_rate(self._optimizer, rate)
        loss, unlabelled_loss = self._descend(step, batch, unlabelled)
        self.average.update(self.model, step)
        return StepValues(loss, rate, unlabelled_loss)

    def _descend(
        self, step: int, batch: TrainBatch, unlabelled: UnlabelledBatch | None
    ) -> tuple[float, float | None]:
        """Make an optimizer step, whose gradients are added up part by part, and return the two losses."""
        self.model.train()
        for module in self._frozen:
            module.eval()
        self._optimizer.zero_grad(set_to_none=True)
        parts = batch.parts(self.recipe.accumulate)
        whole = self._whole(batch) if len(parts) > 1 else None
        lessons: list[Lesson] = []
        if unlabelled is not None and self.teacher is not None:
            lessons = self.teacher.lessons(unlabelled, parts=self.recipe.accumulate)
        last = [*parts, *lessons][-1]
        total, unlabelled_total = 0.0, 0.0
        for part in parts:
            with nullcontext() if part is last else without_averaging(self._objective):
                loss = self._loss(part, whole)
                total += _over_ranks(loss)
                _check_finite(total, "loss", step, part.ids)
                self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        for lesson in lessons:
            with nullcontext() if lesson is last else without_averaging(self._objective):
                loss, weight = self._lesson_loss(lesson, step)
                unlabelled_total += _over_ranks(loss)
                _check_finite(unlabelled_total, "loss of unlabelled images", step, lesson.ids)
                self._scaler.scale(weight * loss).backward()  # type: ignore[no-untyped-call]
        self._update(step, batch.ids)
        return total, unlabelled_total if lessons else None

    def _update(self, step: int, ids: list[str]) -> None:
        """Clip the gradients and make the optimizer's step.

        In fp16 a gradient may overflow: the step is then left out, and the next loss has a lower scale.
        """
        self._scaler.unscale_(self._optimizer)
        if self.recipe.clip_norm is not None:
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
            if not self._scaler.is_enabled():
                _check_finite(float(norm), "norm of the gradient", step, ids)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        check_scale(self._scaler, f"step {step}", ids)

    def _loss(self, part: TrainBatch, whole: Whole | None) -> Tensor:
        device = self.mean.device
        loss: Tensor = self._objective(
            self._input(part.images), part.label_maps.to(device), part.weights.to(device), whole,
            numbers=None if part.numbers is None else part.numbers.to(device),
        )  # fmt: skip
        return loss

    def _lesson_loss(self, lesson: Lesson, step: int) -> tuple[Tensor, float]:
        """Return the loss of the student on the strong views of a part, and its weight at a step."""
        assert self.teacher is not None
        with kept_statistics(self.model):
            loss = self._objective(
                self._input(lesson.images), lesson.label_maps, None, pixels=lesson.pixels
            )
        return loss, self.teacher.weight(step, self.recipe.steps)

    def _input(self, images: Tensor) -> Tensor:
        """Return uint8 images as the model takes them."""
        pixels = normalise(images.to(self.mean.device), mean=self.mean, std=self.std)
        return pixels.contiguous(memory_format=torch.channels_last)

    def _pseudo_loss(self, data: TrainingData) -> PseudoLoss | None:
        if data.unlabelled is None:
            return None
        return PseudoLoss(aux_weight=self.recipe.aux_weight, ignore_index=data.classes.ignore_index)

    def _teacher(
        self, params: Params, data: TrainingData, device: torch.device
    ) -> MeanTeacher | None:
        if data.unlabelled is None:
            return None
        return MeanTeacher(
            self.average.model,
            params.mean_teacher,
            num_classes=data.classes.num_classes,
            ignore_index=data.classes.ignore_index,
            precision=self.recipe.precision,
            normalise=self._input,
            device=device,
        )

    def _whole(self, batch: TrainBatch) -> Whole:
        device = self.mean.device
        numbers = None if batch.numbers is None else batch.numbers.to(device)
        return Whole(batch.label_maps.to(device), batch.weights.to(device), numbers)

    def _parts(self) -> dict[str, Any]:
        parts = {"model": self.model, "average": self.average.model, "optimizer": self._optimizer}
        if self.teacher is not None:
            parts["teacher"] = self.teacher
        return {**parts, "scaler": self._scaler} if self._scaler.is_enabled() else parts


def _over_ranks(loss: Tensor) -> float:
    """Return the mean over the ranks: each has the loss of all, and the mean is not finite if any of them is not."""
    return float(sum_over_ranks(loss.detach()) / world_size())


def _check_finite(value: float, what: str, step: int, ids: list[str]) -> None:
    if not math.isfinite(value):
        raise TrainError(
            f"step {step}: the {what} is {value} on the batch {', '.join(gather_names(ids))}. "
            "Lower train.lr or set train.clip_norm, and check these images."
        )
