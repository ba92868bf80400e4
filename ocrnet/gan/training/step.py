"""One step of the GAN's training: first the generator, then the discriminator, both on the same fakes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ocrnet.checkpoint import Resumable
from ocrnet.config import TrainGanParams
from ocrnet.distributed.ddp import over_ranks
from ocrnet.distributed.ranks import gather_names, is_distributed, world_size
from ocrnet.distributed.sync_norms import synchronise_norms
from ocrnet.errors import TrainError
from ocrnet.gan import objective_class
from ocrnet.gan.generator.holes import fill_holes, seen_channels
from ocrnet.gan.generator.network import Generator
from ocrnet.gan.generator.presets import PRESETS
from ocrnet.gan.generator.styles import draw_noise
from ocrnet.gan.training.batches import Batch
from ocrnet.gan.training.gan_objective import StepInputs
from ocrnet.gan.training.rng import BatchRng
from ocrnet.runtime import autocast, check_scale, loss_scaler, seeded
from ocrnet.weight_ema import WeightAverage


@dataclass(frozen=True)
class StepLosses:
    """The losses of one step; in every process they are over the whole batch."""

    generator: float
    discriminator: float


class GanTrainer(Resumable):
    """Both networks with their optimizers.

    The networks run in the precision of `train_gan.precision`; their weights, the power iteration of spectral norm,
    the losses, the optimizers and the moving average are in float32. If several processes share the batches, each
    has the losses, batch-norm statistics and gradients of the whole batch.

    Args:
        num_classes: Number of classes K, without the ignored id.
        params: Params of the training.
        device: Device that both networks run on.
    """

    def __init__(self, num_classes: int, params: TrainGanParams, *, device: torch.device) -> None:
        self.params = params
        self.device = device
        self.preset = PRESETS[params.preset]
        self.objective = objective_class(params.arch)(num_classes, params)
        with seeded("gan-weights", params.seed):
            generator = Generator(num_classes, self.preset, fills_holes=params.holes > 0)
            self.generator = generator.to(device)
            self.discriminator = self.objective.build_discriminator(self.preset).to(device)
        if is_distributed():
            synchronise_norms(self.generator)
        for network in (self.generator, self.discriminator):
            network.to(memory_format=torch.channels_last)  # 14 % faster on a CPU
        # Buffers are copied, not averaged: an average of two spectral-norm vectors is no singular vector, and
        # batch-norm statistics belong to their weights. `estimate_statistics` recomputes these at the end.
        self.average = WeightAverage(self.generator, params.ema_decay, average_buffers=False)
        self._adam_generator = _adam(self.generator, params.lr_generator)
        self._adam_discriminator = _adam(self.discriminator, params.lr_discriminator)
        self._scaler_generator = loss_scaler(device, params.precision)
        self._scaler_discriminator = loss_scaler(device, params.precision)
        self._paint = self._in_precision(over_ranks(self.generator))
        self._discriminate_fixed = self._in_precision(self.discriminator)
        self._discriminate = self._in_precision(over_ranks(self.discriminator))

    def step(self, step: int, batch: Batch) -> StepLosses:
        """Train both networks on one batch of real pairs and one batch of fakes.

        Raises:
            TrainError: A loss is not finite.
        """
        inputs = self._inputs(step, batch)
        fakes = self._paint(*self.generator_inputs(batch, inputs.rng))
        if inputs.holes is not None:
            fakes = fill_holes(fakes, inputs.images, inputs.holes)
        loss_g = self._step_generator(fakes, inputs)
        loss_d = self._step_discriminator(fakes.detach(), inputs)
        self.average.update(self.generator, step)
        losses = StepLosses(loss_g.item(), loss_d.item())
        if not (math.isfinite(losses.generator) and math.isfinite(losses.discriminator)):
            raise TrainError(
                f"train_gan: step {step}: {losses} is not finite on images "
                f"{', '.join(gather_names([*batch.ids]))}. "
                "Check these images, or lower train_gan.lr_generator and lr_discriminator."
            )
        for scaler in (self._scaler_generator, self._scaler_discriminator):
            check_scale(scaler, f"train_gan: step {step}", batch.ids)
        return losses

    def generator_inputs(self, batch: Batch, rng: BatchRng) -> tuple[Tensor, ...]:
        """Return label maps, noise and, if the generator fills holes, what it sees of the images, on the device."""
        on_device = batch.to(self.device)
        inputs = (on_device.label_maps, self.draw_z(batch.label_maps, rng))
        if on_device.holes is None:
            return inputs
        return *inputs, seen_channels(on_device.images, on_device.holes)

    def draw_z(self, label_maps: Int[Tensor, "B H W"], rng: BatchRng) -> Float[Tensor, "B Z H W"]:
        """Draw the noise of the generator for label maps."""
        return draw_noise(
            self.preset, label_maps, num_classes=self.objective.num_classes, style=self.params.style,
            generators=rng.generators(), device=self.device,
        )  # fmt: skip

    def _inputs(self, step: int, batch: Batch) -> StepInputs:
        count = len(batch.ids) * world_size()
        rng = BatchRng("gan-step", self.params.seed, step, count=count)
        found = batch.to(self.device)
        return StepInputs(
            step, found.images, found.label_maps, rng, self.params, found.weights, found.holes
        )

    def _step_generator(self, fakes: Tensor, inputs: StepInputs) -> Tensor:
        self.discriminator.requires_grad_(requires_grad=False).eval()
        loss = self.objective.generator_loss(self._discriminate_fixed, fakes, inputs)
        return _descend(loss, self._adam_generator, self._scaler_generator)

    def _step_discriminator(self, fakes: Tensor, inputs: StepInputs) -> Tensor:
        self.discriminator.requires_grad_(requires_grad=True).train()
        loss = self.objective.discriminator_loss(self._discriminate, fakes, inputs)
        return _descend(loss, self._adam_discriminator, self._scaler_discriminator)

    def _in_precision(self, network: nn.Module) -> Callable[..., Tensor]:
        def run(*inputs: Tensor) -> Tensor:
            with autocast(self.device, self.params.precision):
                output: Tensor = network(*inputs)
            return output

        return run

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average.model,
            "adam_generator": self._adam_generator,
            "adam_discriminator": self._adam_discriminator,
        }
        if self._scaler_generator.is_enabled():
            parts["scaler_generator"] = self._scaler_generator
            parts["scaler_discriminator"] = self._scaler_discriminator
        return parts


def _adam(network: nn.Module, lr: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), lr=lr, betas=(0.0, 0.999))


def _descend(
    loss: Tensor, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler
) -> Tensor:
    """Make an optimizer step on a loss and return its value; a gradient that overflows in fp16 makes none."""
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()
