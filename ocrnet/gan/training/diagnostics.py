"""Diagnostics during the training of a GAN: does it overfit, collapse or learn the classes?"""

import logging
from collections.abc import Mapping

import torch
from torch import nn

from ocrnet.gan.generator.network import Generator
from ocrnet.gan.generator.styles import draw_noise
from ocrnet.gan.training.batches import Batch
from ocrnet.gan.training.gan_objective import GanObjective
from ocrnet.runtime import keyed_generator

logger = logging.getLogger(__name__)
MIN_DIVERSITY = 0.005  # mean absolute difference on [0, 1] below which two styles count as one
MIN_DISCRIMINATOR_LOSS = (
    0.02  # below it, the discriminator is always right and the generator cannot learn from it
)
LOW_STEPS = 10
MAX_P_FAKE_GAP = 0.2  # above it, the discriminator has memorised the training images


@torch.no_grad()
def measure(
    generator: Generator,
    discriminator: nn.Module,
    objective: GanObjective,
    *,
    train: Batch,
    val: Batch,
) -> Mapping[str, float]:
    """Measure a GAN on real training pairs and on held-out real pairs.

    Returns:
        gan/p_fake_train, gan/p_fake_val: Mean probability of "fake" that the discriminator gives to real images.
        gan/p_fake_gap: The second minus the first; the gap grows as the discriminator overfits.
        gan/d_mIoU: mIoU of the discriminator's classes on held-out real images, if it predicts classes.
        gan/diversity: Mean absolute difference, on [0, 1], of two generated images of one held-out label map. At 0 the
            generator has collapsed to one style.
    """
    was_training = discriminator.training
    discriminator.eval()
    device = next(discriminator.parameters()).device
    train, val = train.to(device), val.to(device)
    p_train, p_val = (objective.p_fake(discriminator, batch) for batch in (train, val))
    scores = {
        "gan/p_fake_train": p_train,
        "gan/p_fake_val": p_val,
        "gan/p_fake_gap": p_val - p_train,
        **objective.class_scores(discriminator, val),
        "gan/diversity": diversity(generator, val, style=objective.params.style),
    }
    discriminator.train(was_training)
    return scores


@torch.no_grad()
def diversity(generator: Generator, batch: Batch, *, style: str) -> float:
    """Return the mean absolute difference, on [0, 1], of two images of each label map that differ in z alone."""
    device = next(generator.parameters()).device
    label_maps = batch.label_maps.to(device)
    first, second = (
        generator(
            label_maps,
            draw_noise(
                generator.preset, label_maps, num_classes=generator.num_classes, style=style,
                generators=[keyed_generator("gan-gauge", i, j) for j in range(len(label_maps))],
                device=device,
            ),
        )
        for i in range(2)
    )  # fmt: skip
    return float((first - second).abs().mean() / 2)


class HealthChecks:
    """Warnings about a GAN that fails, once for each kind of failure."""

    def __init__(self) -> None:
        self._warned: set[str] = set()
        self._low = 0  # consecutive steps with a loss below MIN_DISCRIMINATOR_LOSS

    def check_loss(self, step: int, discriminator_loss: float) -> None:
        """Warn if the discriminator's loss was too small in many consecutive steps."""
        self._low = self._low + 1 if discriminator_loss < MIN_DISCRIMINATOR_LOSS else 0
        if self._low == LOW_STEPS:
            self._warn(
                "loss",
                f"step {step}: the discriminator's loss is {discriminator_loss:.4f} and was below "
                f"{MIN_DISCRIMINATOR_LOSS} for {LOW_STEPS} steps: the generator learns nothing from it. Lower "
                "train_gan.lr_discriminator.",
            )

    def check_scores(self, step: int, scores: Mapping[str, float]) -> None:
        """Warn if the discriminator has memorised its training images, or if the generator ignores z."""
        gap = scores["gan/p_fake_gap"]
        if gap > MAX_P_FAKE_GAP:
            self._warn(
                "gap",
                f"step {step}: the discriminator overfits: its probability of fake is {gap:.2f} higher for held-out "
                "images than for training images. Raise train_gan.translate, cutout or color_jitter, or lower steps.",
            )
        if scores["gan/diversity"] < MIN_DIVERSITY:
            self._warn(
                "diversity",
                f"step {step}: the GAN ignores z: two styles of one label map differ by only "
                f"{scores['gan/diversity']:.4f}, so all images of a layout look alike. Lower "
                "train_gan.lr_discriminator, or change steps or seed.",
            )

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            logger.warning("train_gan: %s", message)
