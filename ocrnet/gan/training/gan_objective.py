"""The interface of the kinds of GAN: the discriminator, both losses and the discriminator's scores."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ocrnet.config import TrainGanParams
from ocrnet.distributed.ranks import sum_over_ranks
from ocrnet.gan.generator.presets import Preset
from ocrnet.gan.training.augment import (
    IGNORED,
    Augmentation,
    draw_augmentation,
    jitter_colors,
)
from ocrnet.gan.training.batches import Batch
from ocrnet.gan.training.rng import BatchRng

PROJECTED = "projected"  # value of train_gan.discriminator: it reads frozen features
Discriminate = Callable[..., Tensor]  # the discriminator in the precision of the training
# Pixels that count in a mean: a mask or, where pixels have weights, the weight of each, 0 for an ignored one.
Counted = Bool[Tensor, "B H W"] | Float[Tensor, "B H W"]


@dataclass(frozen=True)
class StepInputs:
    """The inputs of both losses of a step, besides the fakes.

    Args:
        step: Step, counted from 0.
        images: Real images.
        label_maps: Label maps of the images; the fakes are generated from the same label maps.
        rng: Random numbers of the step.
        params: Params of the training.
        holes: Masks of the pixels that the generator painted; None if it painted all.
        weights: Weight of each pixel in the losses; None: all have 1.
    """

    step: int
    images: Float[Tensor, "B 3 H W"]
    label_maps: Int[Tensor, "B H W"]
    rng: BatchRng
    params: TrainGanParams
    weights: Float[Tensor, "B H W"] | None = None
    holes: Bool[Tensor, "B 1 H W"] | None = None

    def painted(self) -> list[tuple[float, Int[Tensor, "B H W"]]]:
        """Return the label maps of the painted pixels with their weights in a loss; every other pixel is ignored.

        Images that are painted whole and holes are two parts, weighted by their shares of the images. In one part the
        few pixels of the holes would have hardly any weight.
        """
        if self.holes is None:
            return [(1.0, self.label_maps)]
        holes = self.holes.squeeze(1)
        whole = holes.all(dim=2).all(dim=1).view(-1, 1, 1)
        parts = ((1 - self.params.holes, whole), (self.params.holes, holes & ~whole))
        return [(share, torch.where(part, self.label_maps, IGNORED)) for share, part in parts]

    def over_painted(
        self, augmentation: Augmentation, loss: Callable[[Int[Tensor, "B H W"]], Tensor]
    ) -> Float[Tensor, ""]:
        """Return the weighted sum of a loss of augmented label maps over the parts of the painted pixels."""
        losses = [
            share * loss(augmentation.apply_to_labels(part)) for share, part in self.painted()
        ]
        return torch.stack(losses).sum()

    def draw_augmentation(self) -> Augmentation:
        """Draw a shift and a hole for each image."""
        params = self.params
        return draw_augmentation(
            self.label_maps, translate=params.translate, cutout=params.cutout, rng=self.rng
        )

    def augment(
        self, images: Float[Tensor, "B 3 H W"], augmentation: Augmentation
    ) -> Float[Tensor, "B 3 H W"]:
        """Return the discriminator's input: images with the augmentation and newly drawn colour changes."""
        strength = self.params.color_jitter
        return augmentation.apply_to_images(jitter_colors(images, strength=strength, rng=self.rng))

    def counted(
        self, label_maps: Int[Tensor, "B H W"], *, num_classes: int, augmentation: Augmentation | None
    ) -> Counted:  # fmt: skip
        """Return which pixels of label maps count in the losses, or how much.

        Args:
            label_maps: Label maps with the augmentation.
            num_classes: Number of classes K, without the ignored id.
            augmentation: Augmentation of the label maps; None if they have none.
        """
        valid = valid_pixels(label_maps, num_classes=num_classes)
        if self.weights is None:
            return valid
        if augmentation is None:
            return valid * self.weights
        return valid * augmentation.apply_to_weights(self.weights)


class GanObjective(ABC):
    """The discriminator and the losses of a GAN.

    Args:
        num_classes: Number of classes K, without the ignored id.
        params: Params of the training.
    """

    def __init__(self, num_classes: int, params: TrainGanParams) -> None:
        self.num_classes = num_classes
        self.params = params

    @abstractmethod
    def build_discriminator(self, preset: Preset) -> nn.Module:
        """Return an untrained discriminator."""

    @abstractmethod
    def generator_loss(
        self, discriminate: Discriminate, fakes: Float[Tensor, "B 3 H W"], inputs: StepInputs
    ) -> Float[Tensor, ""]:
        """Return the loss that the generator minimises."""

    @abstractmethod
    def discriminator_loss(
        self, discriminate: Discriminate, fakes: Float[Tensor, "B 3 H W"], inputs: StepInputs
    ) -> Float[Tensor, ""]:
        """Return the loss that the discriminator minimises; runs the discriminator once."""

    @abstractmethod
    def p_fake(self, discriminate: Discriminate, batch: Batch) -> float:
        """Return the mean probability of "fake" that the discriminator gives to real pairs."""

    def class_scores(self, discriminate: Discriminate, batch: Batch) -> Mapping[str, float]:
        """Return scores of a discriminator that predicts classes, on held-out real pairs."""
        return {}


def valid_pixels(label_maps: Int[Tensor, "B H W"], *, num_classes: int) -> Bool[Tensor, "B H W"]:
    """Return the mask of the pixels with a class id; every other id is ignored."""
    return (label_maps >= 0) & (label_maps < num_classes)


def mean_over_ranks(total: Float[Tensor, ""], counted: Counted) -> Float[Tensor, ""]:
    """Return the mean over the pixels or cells of all processes that count, from the weighted sum of this process."""
    count = sum_over_ranks(counted.sum())
    return sum_over_ranks(total) / torch.where(count > 0, count, 1)


def l1_loss(
    fakes: Float[Tensor, "B C H W"], images: Float[Tensor, "B C H W"], counted: Counted
) -> Float[Tensor, ""]:
    """Return the mean absolute difference of pixels that count, over the images of all processes."""
    differences = counted * (fakes - images).abs().mean(dim=1)
    return mean_over_ranks(differences.sum(), counted)
