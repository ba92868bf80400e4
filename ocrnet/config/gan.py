"""The sections about the GAN, the layouts and the selection."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ocrnet.config.base import (
    Count,
    Number,
    PartialShare,
    Positive,
    Power,
    Processes,
    Section,
    Seed,
    Share,
    Size,
    Weight,
)

GanRate = Annotated[float, Field(gt=0, le=1), Number]
Paintings = Annotated[int, Field(ge=1, le=100), Number]
Pastes = Annotated[int, Field(ge=1, le=1000), Number]
JOINT = "joint"  # operation of synthesize whose layouts the joint generator draws
LABELLED = "data/prepare"  # value of train_gan.pairs: labelled images alone
_PSEUDO_LABELLED = re.compile(r"data/pseudo_label/(0|[1-9]\d*)/pairs")


class TrainGanParams(Section):
    """The label-map-to-image GAN."""

    seed: Seed
    arch: str  # a name in GANS of ocrnet/gan/__init__.py
    # What the discriminator reads: the image, or features of a frozen network with pretrained weights.
    discriminator: Literal["plain", "projected"]
    preset: Literal["cpu-demo", "small", "full"]
    style: Literal["image", "component"]  # the unit that has a separate style
    steps: Count
    max_seconds: Positive | None  # time limit: the training stops at the step that reaches it
    batch_size: Annotated[int, Field(ge=1, le=100_000), Number]
    crop_size: Size | None  # size of the training windows; empty: data.crop_size
    rare_crops: Share  # share of windows around a pixel of an evenly drawn class
    # data/prepare: labelled images alone; data/pseudo_label/SEED/pairs: unlabelled ones with pseudo-labels, too. It is
    # a folder because DVC waits for it: a training on labelled images alone waits for no pseudo-label.
    pairs: str
    pseudo_share: Share  # share of a batch with pseudo-labels, of `pairs`
    labelled_tail: Share  # share of the steps, at the end, that use labelled images alone
    lr_generator: GanRate
    lr_discriminator: GanRate
    labelmix_weight: Weight
    labelmix_interval: Count
    class_weight_max: Annotated[float, Field(ge=1, le=1e6), Number]
    ema_decay: PartialShare
    l1_weight: Weight  # weight of the L1 loss of pix2pix, and of holes with any arch
    # Share of the images of which the generator paints only a hole; above 0 there are pairs of the arm hybrid.
    holes: Share
    color_jitter: Share
    # Largest shift of the discriminator's input, image and label map together, as a share of the side.
    translate: Share
    cutout: Share  # side of a hole in the discriminator's input, as a share of the side
    flip: bool
    # Steps of the joint generator, which draws label maps with their images from noise; 0: none is trained.
    joint_steps: Annotated[int, Field(ge=0, le=10**9), Number]
    joint_size: Size  # height and width of what it draws
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    processes: Processes
    val_interval: Count
    checkpoint_interval: Count
    log_interval: Count

    @field_validator("pairs")
    @classmethod
    def _check_pairs(cls, pairs: str) -> str:
        if pairs != LABELLED and not _PSEUDO_LABELLED.fullmatch(pairs):
            raise ValueError(
                f"found {pairs!r}, expected {LABELLED} (labelled images alone) or data/pseudo_label/SEED/pairs (also "
                "unlabelled ones, by the labels of that seed)."
            )
        return pairs

    @property
    def pseudo_seed(self) -> int | None:
        """Seed of `pseudo_label` whose pairs the GAN learns from; None if it sees labelled images alone."""
        found = _PSEUDO_LABELLED.fullmatch(self.pairs)
        return int(found[1]) if found else None

    @property
    def sees_unlabelled(self) -> bool:
        """Whether the GAN learns from unlabelled images."""
        return self.pairs != LABELLED

    @property
    def mixed_steps(self) -> int:
        """Number of steps, from the first one, whose batches have pairs with pseudo-labels."""
        return round((1 - self.labelled_tail) * self.steps) if self.sees_unlabelled else 0

    @property
    def pseudo_per_batch(self) -> int:
        """Number of pairs with pseudo-labels in a batch of such a step."""
        return round(self.pseudo_share * self.batch_size)

    @model_validator(mode="after")
    def _check(self) -> "TrainGanParams":
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size {self.batch_size} cannot be divided evenly among processes {self.processes}. "
                "It is the total over all processes; set a multiple."
            )
        return self

    @model_validator(mode="after")
    def _check_unlabelled(self) -> "TrainGanParams":
        if not self.sees_unlabelled:
            return self
        if 0 in (self.pseudo_per_batch, self.mixed_steps):
            raise ValueError(
                f"pairs: no image of {self.pairs} is used: pseudo_share {self.pseudo_share} of batch_size "
                f"{self.batch_size} is {self.pseudo_per_batch} images, and labelled_tail {self.labelled_tail} of steps "
                f"{self.steps} leaves {self.mixed_steps} steps. Raise pseudo_share, lower labelled_tail, or set pairs "
                f"to {LABELLED}."
            )
        if self.max_seconds is not None:
            raise ValueError(
                f"max_seconds: {self.max_seconds:g} may end the training before its last steps, which use labelled "
                f"images alone. Leave it empty, or set pairs to {LABELLED}."
            )
        return self


class SynthesizeParams(Section):
    """Layouts and synthesized pairs."""

    count: Annotated[int, Field(ge=1, le=10**7), Number]
    seed: Seed
    operations: dict[str, Weight]
    pastes: tuple[Pastes, Pastes]  # smallest and largest number of things pasted into one layout
    joint_images: bool  # layouts of `joint` keep the image that was drawn with them; otherwise the GAN paints them
    paintings: Paintings  # images of each layout, of which select keeps the best
    rare_power: Power  # the weight of a class is (1 / pixel share)^power
    hard_power: Power  # times (1 - validation IoU of the baseline)^power

    @model_validator(mode="after")
    def _check(self) -> "SynthesizeParams":
        if self.pastes[0] > self.pastes[1]:
            raise ValueError(
                f"pastes {list(self.pastes)} is not [least, most]. Write the smaller number first."
            )
        if sum(self.operations.values()) <= 0:
            raise ValueError("operations has no weight above 0. Set one above 0.")
        return self


class SelectParams(Section):
    """Selection of synthesized pixels and pairs."""

    calibrate_on: Literal["val", "train"]  # the split whose real pixels set the thresholds
    real_rejection: Share  # share of these pixels of a class that its threshold may reject
    max_rejected: Share  # a pair with a larger share of rejected pixels is dropped
    max_object_rejected: Share  # an object with a larger share of rejected pixels is rejected whole
    warn_rejected: (
        Share  # largest share that a class may lose; a class above it before the cap gets a warning
    )
    # A generated image with a smaller share of own detail is a near-duplicate of a training image; 0: off.
    near_duplicate: Share
    extractor: str  # network of the features: segmenter | timm:NAME | inception:FILE | random-conv
    # How far the labels of kept pairs follow the baseline: 0 keeps those of the layout, 1 takes those of the baseline.
    relabel: Share
