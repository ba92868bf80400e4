"""One training of a segmenter: its state, and the step that advances it."""

import logging
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ocrnet.bundles.bundle import Decoding, ModelCard, build_model
from ocrnet.config import ModelParams, Params, TrainParams
from ocrnet.data.manifest import ClassTable
from ocrnet.distributed.ddp import over_ranks
from ocrnet.distributed.ranks import (
    copy_from_first,
    gather_names,
    is_distributed,
    rank,
    sum_over_ranks,
    world_size,
)
from ocrnet.errors import ParamsError, TrainError
from ocrnet.metrics import miou
from ocrnet.models.output import SegmentationModel, normalise
from ocrnet.record import Recorder
from ocrnet.runtime import Pace, key_seed, pick_device, seeded
from ocrnet.training.best import BestWeights, val_metrics
from ocrnet.training.criterion import Criterion
from ocrnet.training.dataset import ImageFolder, TrainBatch, train_batches
from ocrnet.training.objective import Objective
from ocrnet.training.optim import WeightAverage, build_optimizer, learning_rate, set_learning_rate
from ocrnet.training.transforms import TrainTransform
from ocrnet.training.validation import score_folder
from ocrnet.weights.pretrained import load_backbone_weights

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingData:
    """What a segmenter is trained on and chosen by.

    Args:
        classes: Names, palette and ignored id.
        real: The real training split.
        extra: Synthesized pairs, or None.
        val: The validation split, always real.
    """

    classes: ClassTable
    real: ImageFolder
    val: ImageFolder
    extra: ImageFolder | None = None

    @classmethod
    def read(cls, prepared: Path, *, extra: Path | None = None) -> "TrainingData":
        """Read the real data, and the training split of an extra manifest folder.

        Raises:
            DataError: A manifest is missing or wrong, or a split is empty.
        """
        return cls(
            classes=ClassTable.read(prepared),
            real=ImageFolder.read(prepared, split="train"),
            val=ImageFolder.read(prepared, split="val"),
            extra=None if extra is None else ImageFolder.read(extra, split="train"),
        )


class Trainer:
    """The state of one training, and the step that advances it.

    Attributes:
        step: Number of optimizer steps done.
    """

    def __init__(
        self, params: Params, data: TrainingData, *, seed: int, recorder: Recorder
    ) -> None:
        self._params = params
        self._recipe: TrainParams = params.train
        self._data = data
        self._seed = seed
        self._recorder = recorder
        self._device = pick_device()
        self._card = ModelCard(
            params.model.arch,
            model_options(params.model),
            data.classes,
            decoding=Decoding(
                params.data.value_range,
                params.data.exif,
                params.prepare.resize,
                params.data.max_pixels,
                alpha=params.data.alpha,
                extra_bands=params.data.extra_bands,
            ),
        )
        with seeded(seed, "init"):
            self.model = build_model(self._card)
        _try_forward(self.model, params)
        load_backbone_weights(self.model, params.model.backbone, params.model.pretrained)
        if params.model.norm == "frozen" and params.model.pretrained is False:
            logger.warning(
                "model.norm frozen keeps the statistics of random weights; set model.pretrained, or another norm"
            )
        # Channels last: a tenth less time per step on the CPU, and what tensor cores want.
        self.model.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        objective = Objective(self.model, self._build_loss(), precision=self._recipe.precision)
        self._objective = over_ranks(objective.to(self._device))
        self._optimizer = build_optimizer(self.model, self._recipe)
        self._average = WeightAverage(self.model, self._recipe.ema_decay)
        self._mean = torch.tensor(self._card.mean, device=self._device).view(1, 3, 1, 1)
        self._std = torch.tensor(self._card.std, device=self._device).view(1, 3, 1, 1)
        self._best = BestWeights()
        self.step = 0
        self._pace = self._new_pace()

    def batches(self) -> Any:
        """Return the batches of the steps that are left."""
        transform = TrainTransform(
            self._recipe,
            crop_size=self._params.data.crop_size,
            ignore_index=self._data.classes.ignore_index,
        )
        streams = [self._data.real, *([self._data.extra] if self._data.extra else [])]
        return train_batches(
            streams,
            transform,
            batch_size=self._recipe.batch_size,
            mix=self._params.retrain,  # without extra data none of it has an effect
            first=self.step,
            steps=self._recipe.steps,
            seed=self._seed,
            workers=self._recipe.workers,
        )

    def advance(self, batch: TrainBatch) -> None:
        """Make one optimizer step, and log and validate where it is time to."""
        recipe = self._recipe
        # Each rank drops other channels: with one seed for all, the images of a batch would share their dropout.
        own = [rank()] if is_distributed() else []
        torch.manual_seed(key_seed(self._seed, "step", self.step, *own))
        rate = learning_rate(self.step, recipe)
        set_learning_rate(self._optimizer, rate)
        loss = self._optimize(batch)
        self._average.update(self.model)
        self.step += 1
        if self.step % recipe.log_interval == 0:
            self._recorder.log(self.step, {"train/loss": loss, "train/lr": rate})
            if not sys.stderr.isatty():
                words = self._pace.words(self.step)
                logger.info("step %5d/%d  loss %.4f  %s", self.step, recipe.steps, loss, words)
        if self.step % recipe.val_interval == 0 or self.step == recipe.steps:
            with self._pace.pause():
                self._validate()

    def _new_pace(self) -> Pace:
        return Pace(self._recipe.steps, first=self.step, images=self._recipe.batch_size)

    def _optimize(self, batch: TrainBatch) -> float:
        self.model.train()
        images = normalise(batch.images.to(self._device), mean=self._mean, std=self._std)
        images = images.contiguous(memory_format=torch.channels_last)
        label_maps, weights = (part.to(self._device) for part in (batch.label_maps, batch.weights))
        loss = self._objective(images, label_maps, weights)
        # Each rank's loss is that of the whole batch; their mean is not finite wherever one of them is not.
        value = float(sum_over_ranks(loss.detach()) / world_size())
        self._check_finite(value, "loss", batch)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self._recipe.clip_norm is not None:
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._recipe.clip_norm)
            self._check_finite(float(norm), "norm of the gradient", batch)
        self._optimizer.step()
        return value

    def _check_finite(self, value: float, what: str, batch: TrainBatch) -> None:
        if not math.isfinite(value):
            raise TrainError(
                f"step {self.step}: the {what} is {value} on the batch {', '.join(gather_names(batch.ids))}. "
                "Lower train.lr or set train.clip_norm, and look at these images."
            )

    def _build_loss(self) -> Criterion:
        return Criterion(
            self._recipe,
            self._data.real.pixel_counts(self._data.classes.class_names),
            num_classes=self._data.classes.num_classes,
            ignore_index=self._data.classes.ignore_index,
        )

    def _validate(self) -> None:
        """Score the averaged weights on the whole validation images and keep them if they are the best so far."""
        live = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(dict(self._average.weights()))
        copy_from_first(self.model.buffers())  # statistics that are not synchronised are rank 0's
        confusion = score_folder(
            self.model, self._data.val, num_classes=self._data.classes.num_classes,
            ignore_index=self._data.classes.ignore_index, mean=self._mean, std=self._std,
        )  # fmt: skip
        self._best.offer(self.step, confusion, self.model.state_dict())
        self.model.load_state_dict(live)
        self._recorder.log(self.step, val_metrics(confusion, self._data.classes.class_names))
        logger.info(
            "step %5d/%d  val/mIoU %.4f  (best %.4f at step %d)",
            self.step, self._recipe.steps, miou(confusion), self._best.miou, self._best.step,
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Return everything that the rest of the training depends on."""
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self._average.state(),
            "optimizer": self._optimizer.state_dict(),
            "best": self._best.state(),
            "lines": self._recorder.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.step = state["step"]
        self._pace = self._new_pace()
        self.model.load_state_dict(state["model"])
        self._average.restore(**state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._best.restore(state["best"])
        self._recorder.restore(state["lines"])

    def write(self, out: Path) -> None:
        """Write the bundle, the validation scores and the final metrics."""
        self._best.write(out, self._card, {"steps": self._recipe.steps, "seed": self._seed})
        metrics = self._best.metrics(self._data.classes.class_names)
        if self._data.extra is not None:
            metrics["train/real_share"] = self._params.retrain.real_share(self._recipe)
        self._recorder.finish({**metrics, "val/best_step": self._best.step})


def _try_forward(model: SegmentationModel, params: Params) -> None:
    """Refuse a backbone that cannot take images of the crop's size, before anything is trained."""
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 3, *params.data.crop_size))
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ParamsError(
            f"params.yaml: model.backbone: {params.model.backbone} cannot take images of "
            f"{list(params.data.crop_size)}: {reason}. Take one that takes any size, or change data.crop_size."
        ) from None


def model_options(params: ModelParams) -> dict[str, Any]:
    """Return the arguments of `build_segmenter` besides the name and the number of classes."""
    return params.model_dump(exclude={"arch", "pretrained"})
