"""The sections about the segmenter and its training, on real images and with extra data."""

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

Scale = Annotated[float, Field(ge=0.01, le=100), Number]
Degrees = Annotated[float, Field(ge=0, le=180), Number]
Pixels = Annotated[float, Field(ge=0, le=1000), Number]


class ModelParams(Section):
    """The segmenter."""

    arch: str
    backbone: str
    pretrained: bool | str  # auto, true: timm's weights, downloaded; a path: a file
    freeze: Literal["none", "stem", "backbone"]
    stride: Literal["auto", 4, 8, "pyramid"]  # form of the feature maps, ocrnet/models/strides.py
    context: Literal["concat", "add"]  # how the context joins the pixels in the arch ocr_cascade
    region_grid: Annotated[int, Field(ge=0, le=256), Number]
    mid_channels: Annotated[int, Field(ge=1, le=8192), Number]
    key_channels: Annotated[int, Field(ge=1, le=8192), Number]
    decoder_stride: Literal["auto", 1, 2]  # stride of the logits of ocr_cascade and backbone_unet
    prototypes: Annotated[
        int, Field(ge=1, le=100_000), Number
    ]  # number of prototypes of the arch object_bank
    dropout: PartialShare
    align_corners: bool
    head_variant: str  # variant of the OCR head: a name in ocrnet/models/head_variants.py
    norm: str  # a name in ocrnet/models/norm_policies.py
    instances: Literal[
        "none", "offsets", "attention"
    ]  # heads that tell the objects of data.things apart

    @field_validator("pretrained", mode="before")
    @classmethod
    def _check_pretrained(cls, value: Any) -> Any:
        if not isinstance(value, bool | str):
            raise ValueError(f"found {value!r}, expected auto, false, true or the path of a file.")
        return value


class TrainParams(Section):
    """The training params that `train` and `retrain` share; steps are optimizer steps."""

    steps: Count
    batch_size: Annotated[int, Field(ge=1, le=100_000), Number]
    accumulate: Count  # parts that a batch is computed in, one after the other
    optimizer: Literal["sgd", "adamw"]
    lr: Rate
    backbone_lr_mult: Annotated[float, Field(gt=0, le=1000), Number]
    layer_decay: Annotated[float, Field(gt=0, le=1), Number]  # 1: all layers have one rate
    weight_decay: Annotated[float, Field(ge=0, le=10), Number]
    momentum: PartialShare
    power: Power  # exponent of the polynomial learning-rate schedule
    warmup_steps: Annotated[int, Field(ge=0), Number]
    clip_norm: Positive | None
    loss: str  # names of ocrnet/losses and their sums: "ce + 0.5*dice"
    aux_weight: Weight
    centre_weight: Weight  # of the heat map of centres, with model.instances: offsets
    offset_weight: Weight  # of the offsets to the centres, with model.instances: offsets
    heat_weight: Weight  # of the heat map of middles, with model.instances: attention
    box_weight: Weight  # of the sides of boxes, with model.instances: attention
    mask_weight: Weight  # of the masks of objects, with model.instances: attention
    centre_sigma: Annotated[float, Field(ge=0.5, le=100), Number]  # pixels
    class_weights: Literal["none", "inverse", "inverse_sqrt", "median", "effective"]
    ohem_threshold: Share
    ohem_min_kept: Count
    focal_gamma: Power
    ema_decay: PartialShare
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    compile: bool | Literal["auto"]  # torch.compile of the network
    scale_range: tuple[Scale, Scale]
    flip: bool
    vertical_flip: Share  # share of samples that are mirrored top to bottom
    rotation: Degrees  # largest angle, in both directions
    elastic: Pixels  # standard deviation of the shifts of a 3 x 3 grid, see ocrnet/training/warp.py
    color_jitter: Share
    gamma: Annotated[float, Field(ge=0, le=9), Number]  # powers from 1 / (1 + gamma) to 1 + gamma
    blur: Pixels  # largest standard deviation of the Gaussian
    noise: Share  # largest standard deviation of the noise, as a share of the value range
    cutmix: Share  # share of samples into which a box of another one of the batch is pasted
    rare_crops: Share  # share of crops centred on a pixel of an evenly drawn class
    workers: Workers
    processes: Processes  # processes of the training; torchrun starts more than one
    val_interval: Count
    patience: Annotated[
        int, Field(ge=0, le=10**9), Number
    ]  # validations without a better one; 0: off
    tune_score: bool  # choose the least score of an object on the validation images
    checkpoint_interval: Count
    log_interval: Count

    @model_validator(mode="after")
    def _check(self) -> "TrainParams":
        if self.scale_range[0] > self.scale_range[1]:
            raise ValueError(
                f"scale_range {list(self.scale_range)} is not [low, high]. Write the lower value first."
            )
        if self.warmup_steps >= self.steps:
            raise ValueError(
                f"warmup_steps {self.warmup_steps} leaves none of steps {self.steps}. Set fewer warm-up steps."
            )
        if self.batch_size < 2:
            raise ValueError(
                f"batch_size {self.batch_size} is too small: a batch norm needs 2 images or more. Set 2 or more."
            )
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size {self.batch_size} cannot be divided evenly among processes {self.processes}. "
                "It is the total over all processes; set a multiple."
            )
        if self.batch_size % (self.processes * self.accumulate):
            raise ValueError(
                f"accumulate {self.accumulate} cannot divide batch_size {self.batch_size} evenly over processes "
                f"{self.processes}. It is the number of parts that a batch is computed in; set a divisor of "
                f"{self.batch_size // self.processes}."
            )
        return self


class RetrainParams(Section):
    """The mix of extra data and real data."""

    # One word each: dvc.yaml uses it in a command and a path.
    arms: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(\+[A-Za-z0-9_]+)*$")], ...],
        Field(min_length=1),
    ]
    real_fraction: Share  # share of each batch that is real
    # Weight of an extra pixel in the loss; a real pixel has 1.
    synthetic_weight: Annotated[float, Field(gt=0, le=1000), Number]
    real_tail: Share  # share of the steps at the end that use real data alone

    @field_validator("arms")
    @classmethod
    def _check_arms(cls, arms: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({arm for arm in arms if arms.count(arm) > 1})
        if twice:
            raise ValueError(
                f"found {list(arms)}: {', '.join(twice)} is a duplicate. Name each arm once."
            )
        return arms

    def real_per_batch(self, batch_size: int) -> int:
        """Return the number of real samples in a mixed batch."""
        return round(batch_size * self.real_fraction)

    def mixed_steps(self, steps: int) -> int:
        """Return the number of steps before the steps on real data alone."""
        return steps - round(steps * self.real_tail)

    def real_share(self, recipe: TrainParams, *, taken: int | None = None) -> float:
        """Return the share of real samples in a training, after rounding to whole samples and steps.

        Args:
            recipe: Params with the number of steps and the batch size.
            taken: Number of steps that were taken, at least 1; None: all.
        """
        taken = recipe.steps if taken is None else taken
        mixed = min(taken, self.mixed_steps(recipe.steps)) / taken
        return 1 - mixed * (1 - self.real_per_batch(recipe.batch_size) / recipe.batch_size)
