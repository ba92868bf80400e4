"""One step of the GAN's training: first the generator, then the discriminator, both on the same fakes."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ocrnet.config import TrainGanParams
from ocrnet.errors import TrainError
from ocrnet.gan import objectives
from ocrnet.gan.augment import jitter_colors
from ocrnet.gan.discriminator import Discriminator
from ocrnet.gan.ema import Ema
from ocrnet.gan.generator import Generator, draw_z
from ocrnet.gan.pairs import Batch
from ocrnet.gan.presets import PRESETS
from ocrnet.runtime import keyed_generator, seeded


@dataclass(frozen=True)
class StepLosses:
    """The losses of one step."""

    generator: float
    discriminator: float


class GanTrainer:
    """Both networks with their optimizers.

    Args:
        num_classes: K, without the ignored id.
        params: the numbers of the training.
        device: what it runs on.
    """

    def __init__(self, num_classes: int, params: TrainGanParams, *, device: torch.device) -> None:
        self.params = params
        self.device = device
        self.preset = PRESETS[params.preset]
        with seeded("gan-weights", params.seed):
            self.generator = Generator(num_classes, self.preset).to(device)
            self.discriminator = Discriminator(num_classes, self.preset).to(device)
        for network in (self.generator, self.discriminator):
            network.to(memory_format=torch.channels_last)  # a seventh faster on a CPU
        self.ema = Ema(self.generator, limit=params.ema_decay)
        self._adam_generator = _adam(self.generator, params.lr_generator)
        self._adam_discriminator = _adam(self.discriminator, params.lr_discriminator)

    def step(self, step: int, batch: Batch) -> StepLosses:
        """Train both networks on one batch of real pairs and one batch of fakes.

        Raises:
            TrainError: a loss is not finite.
        """
        draws = keyed_generator("gan-step", self.params.seed, step)
        images, label_maps = batch.images.to(self.device), batch.label_maps.to(self.device)
        weights = objectives.class_weights(
            label_maps,
            num_classes=self.generator.num_classes,
            weight_max=self.params.class_weight_max,
        )
        z = self.draw_z(label_maps, draws)
        # In fp32 throughout: autocast would run the power iteration of spectral norm in bf16.
        fakes = self.generator(label_maps, z)
        loss_g = self._step_generator(fakes, label_maps, weights, draws=draws)
        loss_d = self._step_discriminator(
            images,
            fakes.detach(),
            label_maps,
            weights=weights,
            draws=draws,
            labelmix=step % self.params.labelmix_interval == 0,
        )
        self.ema.update(self.generator, step)
        losses = StepLosses(loss_g.item(), loss_d.item())
        if not (math.isfinite(losses.generator) and math.isfinite(losses.discriminator)):
            raise TrainError(
                f"train_gan: step {step}: {losses} on images {', '.join(batch.ids)}. "
                "Look at these images, or lower train_gan.lr_generator and lr_discriminator."
            )
        return losses

    def draw_z(
        self, label_maps: Int[Tensor, "B H W"], draws: torch.Generator
    ) -> Float[Tensor, "B Z H W"]:
        """Draw the noise to paint label maps with."""
        B, H, W = label_maps.shape
        return draw_z(self.preset, (H, W), count=B, generator=draws).to(self.device)

    def _step_generator(
        self, fakes: Tensor, label_maps: Tensor, weights: Tensor, *, draws: torch.Generator
    ) -> Tensor:
        self.discriminator.requires_grad_(requires_grad=False).eval()
        logits = self.discriminator(self._jitter(fakes, draws))
        loss = objectives.class_loss(logits, label_maps, weights)
        self._adam_generator.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._adam_generator.step()
        return loss.detach()

    def _step_discriminator(
        self, images: Tensor, fakes: Tensor, label_maps: Tensor, *, weights: Tensor,
        draws: torch.Generator, labelmix: bool,
    ) -> Tensor:  # fmt: skip
        self.discriminator.requires_grad_(requires_grad=True).train()
        K = self.generator.num_classes
        valid = objectives.valid_pixels(label_maps, num_classes=K)
        images, fakes = self._jitter(images, draws), self._jitter(fakes, draws)
        parts = [images, fakes]
        if labelmix:
            chosen = objectives.draw_labelmix(label_maps, num_classes=K, generator=draws)
            parts.append(objectives.mix(images, fakes, chosen))
        logits = self.discriminator(torch.cat(parts)).split(len(images))
        loss = objectives.class_loss(logits[0], label_maps, weights)
        loss = loss + objectives.fake_loss(logits[1], valid)
        if labelmix:
            mixed = objectives.mix(logits[0], logits[1], chosen)
            loss = loss + self.params.labelmix_weight * objectives.labelmix_loss(
                logits[2], mixed, valid
            )
        self._adam_discriminator.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._adam_discriminator.step()
        return loss.detach()

    def _jitter(self, images: Tensor, draws: torch.Generator) -> Tensor:
        return jitter_colors(images, strength=self.params.color_jitter, generator=draws)

    def state(self) -> dict[str, Any]:
        """Return all that the next step depends on."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "ema": self.ema.generator,
            "adam_generator": self._adam_generator,
            "adam_discriminator": self._adam_discriminator,
        }


def _adam(network: torch.nn.Module, lr: float) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), lr=lr, betas=(0.0, 0.999))
