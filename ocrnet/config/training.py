"""The sections of the segmenter and its training, on real images and with extra ones."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ocrnet.config.base import Count, Positive, Section, Share


class ModelParams(Section):
    """The segmenter."""

    arch: str = "ocrnet"
    backbone: str = "hrnet_w18_small"
    pretrained: bool | str = False  # true: timm's weights, downloaded; a path: a file
    mid_channels: Count = 128
    key_channels: Count = 64
    prototypes: Count = 64  # of object_bank
    dropout: Share = 0.05
    align_corners: bool = False
    form: str = "official"  # of the OCR head: a name in ocrnet/models/forms.py
    norm: str = "batch"  # a name in ocrnet/models/norms.py


class TrainParams(Section):
    """The recipe that `train` and `retrain` share; it counts optimizer steps."""

    steps: Count = 400
    batch_size: Annotated[int, Field(ge=2)] = 8
    optimizer: Literal["sgd", "adamw"] = "adamw"
    lr: Positive = 1e-3
    backbone_lr_mult: Positive = 1.0
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    momentum: Share = 0.9
    power: Annotated[float, Field(ge=0)] = 0.9  # of the poly schedule
    warmup_steps: Annotated[int, Field(ge=0)] = 20
    clip_norm: Positive | None = 5.0
    loss: str = "ce"  # names of ocrnet/losses and their sums: "ce + 0.5*dice"
    aux_weight: Annotated[float, Field(ge=0)] = 0.4
    class_weights: Literal["none", "inverse", "inverse_sqrt", "median", "effective"] = "none"
    ohem_threshold: Share = 0.7
    ohem_min_kept: Count = 10_000
    focal_gamma: Annotated[float, Field(ge=0)] = 2.0
    ema_decay: Share = 0.99
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    scale_range: tuple[Positive, Positive] = (0.75, 1.5)
    flip: bool = True
    color_jitter: Annotated[float, Field(ge=0, le=1)] = 0.3
    rare_crops: Share = 0.0  # share of crops centred on a pixel of a class drawn evenly
    workers: Annotated[int, Field(ge=0)] = 0
    processes: Count = 1  # of the training; more than one runs through torchrun
    val_interval: Count = 50
    checkpoint_interval: Count = 50
    log_interval: Count = 10

    @model_validator(mode="after")
    def _check(self) -> "TrainParams":
        if self.scale_range[0] > self.scale_range[1]:
            raise ValueError(f"scale_range {list(self.scale_range)} is not [low, high].")
        if self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} leaves none of steps {self.steps}.")
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size {self.batch_size} cannot be shared out evenly over processes {self.processes}. "
                "It is that of all together; take a multiple."
            )
        return self


class RetrainParams(Section):
    """How extra data joins the real data."""

    arms: Annotated[tuple[str, ...], Field(min_length=1)] = ("gan",)
    real_fraction: Share = 0.5  # of each batch
    synthetic_weight: Positive = 1.0  # of an extra pixel in the loss; a real one has 1
    real_tail: Share = 0.0  # share of the steps, the last ones, on real data alone

    def real_per_batch(self, batch_size: int) -> int:
        """Return how many samples of a mixed batch are real."""
        return round(batch_size * self.real_fraction)

    def mixed_steps(self, steps: int) -> int:
        """Return how many steps come before those on real data alone."""
        return steps - round(steps * self.real_tail)

    def real_share(self, recipe: TrainParams) -> float:
        """Return the share of a training's samples that is real, whole samples and steps being counted."""
        mixed = self.mixed_steps(recipe.steps) / recipe.steps
        return 1 - mixed * (1 - self.real_per_batch(recipe.batch_size) / recipe.batch_size)
