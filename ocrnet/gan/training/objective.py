"""The part of the training that a GAN design defines: a discriminator, both losses and gauges."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor, nn

from ocrnet.config import TrainGanParams
from ocrnet.gan.generator.presets import Preset
from ocrnet.gan.training.augment import Framing, draw_framing, jitter_colors
from ocrnet.gan.training.batches import Batch
from ocrnet.gan.training.rng import BatchDraws

Judge = Callable[..., Tensor]  # a discriminator as it is run in training


@dataclass(frozen=True)
class Scene:
    """What both losses of a step are computed from, besides the fakes.

    Args:
        step: Step, counted from 0.
        images: Real images.
        label_maps: Label maps of the images, from which the fakes are painted too.
        draws: Random numbers of the step.
        params: Parameters of the training.
    """

    step: int
    images: Float[Tensor, "B 3 H W"]
    label_maps: Int[Tensor, "B H W"]
    draws: BatchDraws
    params: TrainGanParams

    def frame(self) -> Framing:
        """Draw where the discriminator looks."""
        params = self.params
        return draw_framing(
            self.label_maps, translate=params.translate, cutout=params.cutout, draws=self.draws
        )

    def show(self, images: Float[Tensor, "B 3 H W"], framing: Framing) -> Float[Tensor, "B 3 H W"]:
        """Return images as the discriminator sees them, in colours drawn anew."""
        strength = self.params.color_jitter
        return framing.show(jitter_colors(images, strength=strength, draws=self.draws))


class Design(ABC):
    """A GAN design.

    Args:
        num_classes: Number of classes K, without the ignored id.
        params: Parameters of the training.
    """

    def __init__(self, num_classes: int, params: TrainGanParams) -> None:
        self.num_classes = num_classes
        self.params = params

    @abstractmethod
    def build_discriminator(self, preset: Preset) -> nn.Module:
        """Return an untrained discriminator."""

    @abstractmethod
    def generator_loss(
        self, judge: Judge, fakes: Float[Tensor, "B 3 H W"], scene: Scene
    ) -> Float[Tensor, ""]:
        """Return what the generator minimises."""

    @abstractmethod
    def discriminator_loss(
        self, judge: Judge, fakes: Float[Tensor, "B 3 H W"], scene: Scene
    ) -> Float[Tensor, ""]:
        """Return what the discriminator minimises; calls the judge once."""

    @abstractmethod
    def p_fake(self, judge: Judge, batch: Batch) -> float:
        """Return the mean probability of "fake" that the discriminator gives to real pairs."""

    def class_gauges(self, judge: Judge, batch: Batch) -> Mapping[str, float]:
        """Return gauges of a discriminator that predicts classes, on held-out real pairs."""
        return {}
