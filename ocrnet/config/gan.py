"""The sections about the GAN, the layouts and the selection."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

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
Pastes = Annotated[int, Field(ge=1, le=1000), Number]


class TrainGanParams(Section):
    """The label-map-to-image GAN."""

    seed: Seed
    arch: str  # a name in GANS of ocrnet/gan/__init__.py
    preset: Literal["cpu-demo", "small", "full"]
    style: Literal["image", "component"]  # the unit that has a separate style
    steps: Count
    max_seconds: Positive | None  # time limit: the training stops at the step that reaches it
    batch_size: Annotated[int, Field(ge=1, le=100_000), Number]
    crop_size: Size | None  # size of the training windows; empty: data.crop_size
    rare_crops: Share  # share of windows around a pixel of an evenly drawn class
    lr_generator: GanRate
    lr_discriminator: GanRate
    labelmix_weight: Weight
    labelmix_interval: Count
    class_weight_max: Annotated[float, Field(ge=1, le=1e6), Number]
    ema_decay: PartialShare
    l1_weight: Weight  # weight of the L1 loss of pix2pix
    color_jitter: Share
    # Largest shift of the discriminator's input, image and label map together, as a share of the side.
    translate: Share
    cutout: Share  # side of a hole in the discriminator's input, as a share of the side
    flip: bool
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    processes: Processes
    val_interval: Count
    checkpoint_interval: Count
    log_interval: Count

    @model_validator(mode="after")
    def _check(self) -> "TrainGanParams":
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size {self.batch_size} cannot be divided evenly among processes {self.processes}. "
                "It is the total over all processes; set a multiple."
            )
        return self


class SynthesizeParams(Section):
    """Layouts and synthesized pairs."""

    count: Annotated[int, Field(ge=1, le=10**7), Number]
    seed: Seed
    operations: dict[str, Weight]
    pastes: tuple[Pastes, Pastes]  # smallest and largest number of things pasted into one layout
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
    warn_rejected: (
        Share  # largest share that a class may lose; a class above it before the cap gets a warning
    )
    # A generated image with a smaller share of own detail is a near-duplicate of a training image; 0: off.
    near_duplicate: Share
    extractor: str  # network of the features: segmenter | timm:NAME | inception:FILE | random-conv
