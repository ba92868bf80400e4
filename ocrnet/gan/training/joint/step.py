"""One step of the training of the joint generator and its discriminator.

The losses are the non-saturating ones (arXiv:1406.2661, section 3): with the discriminator's logit d of an image, that
of the discriminator is softplus(-d) for a real one and softplus(d) for a drawn one; that of the generator is
softplus(-d). Shifts, holes and colours change what the discriminator reads, real and drawn alike (arXiv:2006.10738,
with its largest shift and its hole): one shift and one hole for image and label map.

A label map counts by the weights of its pixels: the discriminator reads it times the weights, 0 where a pixel has no
label. A drawn label map is multiplied by the weights of the real one at its place in the batch, so that missing labels
tell nothing about which of the two is real.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ocrnet.checkpoint import Resumable
from ocrnet.config import TrainGanParams
from ocrnet.errors import TrainError
from ocrnet.gan.generator.joint_network import JointGenerator, hard_maps
from ocrnet.gan.generator.presets import PRESETS
from ocrnet.gan.training.augment import Augmentation, draw_augmentation, jitter_colors
from ocrnet.gan.training.joint.batches import JointBatch
from ocrnet.gan.training.joint.discriminator import JointDiscriminator
from ocrnet.gan.training.rng import BatchRng
from ocrnet.gan.training.step import StepLosses
from ocrnet.runtime import keyed_generator, seeded
from ocrnet.weight_ema import WeightAverage

TRANSLATE = 0.125  # largest shift, as a share of the side
CUTOUT = 0.5  # side of the hole, as a share of the side
JITTER = 0.5  # strength of the colour changes
PENALTY = (
    0.0002  # strength of the gradient penalty times images per pixel (arXiv:2006.06676, appendix C)
)
PENALTY_INTERVAL = 4  # steps from one penalty to the next, which counts as many times


class JointTrainer(Resumable):
    """Both networks with their optimizers, in float32.

    Args:
        num_classes: Number of classes K, without the ignored id.
        params: Params of the training.
        device: Device that both networks run on.
    """

    def __init__(self, num_classes: int, params: TrainGanParams, *, device: torch.device) -> None:
        self.params, self.device = params, device
        preset = PRESETS[params.preset]
        with seeded("gan-joint-weights", params.seed):
            self.generator = JointGenerator(num_classes, preset, params.joint_size).to(device)
            self.discriminator = JointDiscriminator(num_classes, preset, params.joint_size).to(
                device
            )
        self.average = WeightAverage(self.generator, params.ema_decay, average_buffers=False)
        self._adam_generator = _adam(self.generator, params.lr_generator)
        self._adam_discriminator = _adam(self.discriminator, params.lr_discriminator)

    def step(self, step: int, batch: JointBatch) -> StepLosses:
        """Train both networks on one batch of real images and one of drawn ones.

        Raises:
            TrainError: A loss is not finite.
        """
        real = batch.to(self.device)
        rng = BatchRng("gan-joint-step", self.params.seed, step, count=len(batch.ids))
        size = (len(batch.ids), *self.params.joint_size)
        like = torch.zeros(size, dtype=torch.int64, device=self.device)
        change = draw_augmentation(like, translate=TRANSLATE, cutout=CUTOUT, rng=rng)
        images, logits = self.generator(self._draw_z(step, len(batch.ids)), real.conditions)
        maps = hard_maps(logits)

        self.discriminator.requires_grad_(requires_grad=False).eval()
        shown = _seen(images, maps, real.weights, change, rng)
        loss_g = F.softplus(-self.discriminator(*shown, real.conditions)).mean()
        _descend(loss_g, self._adam_generator)

        self.discriminator.requires_grad_(requires_grad=True).train()
        drawn = self.discriminator(*(part.detach() for part in shown), real.conditions)
        seen = _seen(real.images, real.maps, real.weights, change, rng)
        loss_d = F.softplus(drawn).mean()
        is_penalised = step % PENALTY_INTERVAL == 0
        inputs = [part.requires_grad_(is_penalised) for part in seen]
        logits = self.discriminator(*inputs, real.conditions)
        loss_d = loss_d + F.softplus(-logits).mean()
        _descend(loss_d + self._penalty(logits, inputs, is_penalised), self._adam_discriminator)

        self.average.update(self.generator, step)
        losses = StepLosses(float(loss_g.detach()), float(loss_d.detach()))
        if not (math.isfinite(losses.generator) and math.isfinite(losses.discriminator)):
            raise TrainError(
                f"train_gan: joint generator: step {step}: {losses} is not finite on images {', '.join(batch.ids)}. "
                "Check these images, or lower train_gan.lr_generator and lr_discriminator."
            )
        return losses

    def _penalty(
        self, logits: Float[Tensor, " B"], inputs: Sequence[Tensor], is_penalised: bool
    ) -> Tensor | float:
        """Return the gradient penalty on real images (arXiv:1801.04406, Eq. 9); 0 in most steps."""
        if not is_penalised:
            return 0.0
        height, width = self.params.joint_size
        strength = PENALTY * height * width / len(logits) * PENALTY_INTERVAL
        gradients = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
        squares = sum(gradient.square().sum() for gradient in gradients) / len(logits)
        return strength / 2 * squares

    def _draw_z(self, step: int, count: int) -> Float[Tensor, "B Z"]:
        draws = keyed_generator("gan-joint-noise", self.params.seed, step)
        return torch.randn(count, self.generator.preset.z_dim, generator=draws).to(self.device)

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average.model,
            "adam_generator": self._adam_generator,
            "adam_discriminator": self._adam_discriminator,
        }


def _seen(
    images: Float[Tensor, "B 3 H W"],
    maps: Float[Tensor, "B K H W"],
    weights: Float[Tensor, "B 1 H W"],
    change: Augmentation,
    rng: BatchRng,
) -> tuple[Tensor, Tensor]:
    """Return what the discriminator reads of images and label maps."""
    images = jitter_colors(images, strength=JITTER, rng=rng)
    both = change.apply_to_images(torch.cat([images, maps * weights], dim=1))
    return both[:, :3], both[:, 3:]


def _adam(network: torch.nn.Module, lr: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), lr=lr, betas=(0.0, 0.99))


def _descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
