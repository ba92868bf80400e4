"""The sections of the segmenter and its training, on real images and with extra ones."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ocrnet.config.base import (
    Count,
    Number,
    PartialShare,
    Positive,
    Power,
    Processes,
    Rate,
    Section,
    Share,
    Weight,
    Workers,
)

Scale = Annotated[float, Number, Field(ge=0.01, le=100)]


class ModelParams(Section):
    """The segmenter."""

    arch: str = "ocrnet"
    backbone: str = "hrnet_w18_small"
    pretrained: bool | str = False  # true: timm's weights, downloaded; a path: a file
    mid_channels: Annotated[int, Number, Field(ge=1, le=8192)] = 128
    key_channels: Annotated[int, Number, Field(ge=1, le=8192)] = 64
    prototypes: Annotated[int, Number, Field(ge=1, le=100_000)] = 64  # of object_bank
    dropout: PartialShare = 0.05
    align_corners: bool = False
    form: str = "official"  # of the OCR head: a name in ocrnet/models/forms.py
    norm: str = "batch"  # a name in ocrnet/models/norms.py

    @field_validator("pretrained", mode="before")
    @classmethod
    def _check_pretrained(cls, value: Any) -> Any:
        if not isinstance(value, bool | str):
            raise ValueError(f"found {value!r}, expected false, true or a file.")
        return value


class TrainParams(Section):
    """The recipe that `train` and `retrain` share; it counts optimizer steps."""

    steps: Count = 400
    batch_size: Annotated[int, Number, Field(ge=1, le=100_000)] = 8
    optimizer: Literal["sgd", "adamw"] = "adamw"
    lr: Rate = 1e-3
    backbone_lr_mult: Annotated[float, Number, Field(gt=0, le=1000)] = 1.0
    weight_decay: Annotated[float, Number, Field(ge=0, le=10)] = 1e-2
    momentum: PartialShare = 0.9
    power: Power = 0.9  # of the poly schedule
    warmup_steps: Annotated[int, Number, Field(ge=0)] = 20
    clip_norm: Positive | None = 5.0
    loss: str = "ce"  # names of ocrnet/losses and their sums: "ce + 0.5*dice"
    aux_weight: Weight = 0.4
    class_weights: Literal["none", "inverse", "inverse_sqrt", "median", "effective"] = "none"
    ohem_threshold: Share = 0.7
    ohem_min_kept: Count = 10_000
    focal_gamma: Power = 2.0
    ema_decay: PartialShare = 0.99
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    scale_range: tuple[Scale, Scale] = (0.75, 1.5)
    flip: bool = True
    color_jitter: Share = 0.3
    rare_crops: Share = 0.0  # share of crops centred on a pixel of a class drawn evenly
    workers: Workers = 0
    processes: Processes = 1  # of the training; more than one runs through torchrun
    val_interval: Count = 50
    checkpoint_interval: Count = 50
    log_interval: Count = 10

    @model_validator(mode="after")
    def _check(self) -> "TrainParams":
        if self.scale_range[0] > self.scale_range[1]:
            raise ValueError(f"scale_range {list(self.scale_range)} is not [low, high].")
        if self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} leaves none of steps {self.steps}.")
        if self.batch_size < 2:
            raise ValueError(
                f"batch_size {self.batch_size} is too small: a batch norm needs 2 images or more. Take 2 or more."
            )
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size {self.batch_size} cannot be shared out evenly over processes {self.processes}. "
                "It is that of all together; take a multiple."
            )
        return self


class RetrainParams(Section):
    """How extra data joins the real data."""

    # A word each: dvc.yaml puts it into a command and a path.
    arms: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")], ...], Field(min_length=1)
    ] = ("gan",)
    real_fraction: Share = 0.5  # of each batch
    # Of an extra pixel in the loss; a real one has 1.
    synthetic_weight: Annotated[float, Number, Field(gt=0, le=1000)] = 1.0
    real_tail: Share = 0.0  # share of the steps, the last ones, on real data alone

    @field_validator("arms")
    @classmethod
    def _check_arms(cls, arms: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({arm for arm in arms if arms.count(arm) > 1})
        if twice:
            raise ValueError(f"found {list(arms)}: {', '.join(twice)} twice. Name each arm once.")
        return arms

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
