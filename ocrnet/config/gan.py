"""The sections of the GAN, of the layouts that it paints and of what is kept."""

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

GanRate = Annotated[float, Number, Field(gt=0, le=1)]
Odds = Annotated[float, Number, Field(ge=0, le=1e6)]
Pastes = Annotated[int, Number, Field(ge=1, le=1000)]


class TrainGanParams(Section):
    """The label-map-to-image GAN."""

    seed: Seed = 0
    arch: str = "oasis"  # a name in ocrnet/gan/designs.py
    preset: Literal["cpu-demo", "small", "full"] = "cpu-demo"
    style: Literal["image", "component"] = "image"  # what gets a style of its own
    steps: Count = 500
    max_seconds: Positive | None = None  # a time box: stop at the step that reaches it
    batch_size: Annotated[int, Number, Field(ge=1, le=100_000)] = 8
    crop_size: Size | None = None  # of the windows it learns from; null: data.crop_size
    rare_crops: Share = 0.5  # share of windows around a pixel of a class drawn evenly
    lr_generator: GanRate = 4e-4
    lr_discriminator: GanRate = 8e-4
    labelmix_weight: Weight = 5.0
    labelmix_interval: Count = 4
    class_weight_max: Annotated[float, Number, Field(ge=1, le=1e6)] = 30.0
    ema_decay: PartialShare = 0.995
    l1_weight: Weight = 100.0  # of pix2pix
    color_jitter: Share = 0.2
    translate: Share = (
        0.125  # of the side, of what the discriminator sees, image and label map together
    )
    cutout: Share = 0.0  # side of a square that it does not see, as a share of the image's
    flip: bool = True
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    processes: Processes = 1
    val_interval: Count = 100
    checkpoint_interval: Count = 50
    log_interval: Count = 20

    @model_validator(mode="after")
    def _check(self) -> "TrainGanParams":
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size {self.batch_size} cannot be shared out evenly over processes {self.processes}. "
                "It is that of all together; take a multiple."
            )
        return self


class SynthesizeParams(Section):
    """New label layouts and their painting."""

    count: Annotated[int, Number, Field(ge=1, le=10**7)] = 96
    seed: Seed = 0
    operations: dict[str, Odds] = Field(
        default={"train": 1.0, "flip": 1.0, "scale": 1.0, "copy_paste": 3.0, "warp": 1.0, "recombine": 1.0}
    )  # fmt: skip
    pastes: tuple[Pastes, Pastes] = (1, 3)  # objects pasted into one layout, least and most
    rare_power: Power = 0.5  # odds of a class are (1 / pixel share)^power
    hard_power: Power = 0.5  # times (1 - validation IoU of the baseline)^power

    @model_validator(mode="after")
    def _check(self) -> "SynthesizeParams":
        if self.pastes[0] > self.pastes[1]:
            raise ValueError(f"pastes {list(self.pastes)} is not [least, most].")
        if sum(self.operations.values()) <= 0:
            raise ValueError("operations has no odds above 0. Give one more than 0.")
        return self


class SelectParams(Section):
    """Which synthesized pixels and pairs are kept."""

    calibrate_on: Literal["val", "train"] = "val"  # the split whose real pixels set the thresholds
    real_rejection: Share = 0.05  # share of these pixels of a class that its threshold may reject
    max_rejected: Share = 0.5  # a pair that loses more pixels than this is dropped whole
    warn_rejected: Share = 0.4  # a class loses no more than this, and is named in a warning
    near_copy: Share = (
        0.25  # share of its detail that a painting has of its own, or it copies a training image
    )
    extractor: str = (
        "segmenter"  # of features: segmenter | timm:NAME | inception:FILE | random-conv
    )
