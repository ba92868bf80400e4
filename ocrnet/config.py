"""The parameters of every stage as frozen objects: a class per section of `params.yaml`.

Lengths are in pixels as (height, width), times in seconds, rates and shares in [0, 1].
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Size = tuple[Count, Count]


class Section(BaseModel):
    """A frozen section of `params.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=False)


class DataParams(Section):
    """What the images and their label maps are."""

    source: str  # a name in ocrnet/data/sources
    path: str
    classes: Annotated[tuple[str, ...], Field(min_length=2, max_length=255)]
    num_classes: int | None = None  # a cross-check only
    label_map: dict[
        int | str, str
    ] = {}  # raw id, or "r,g,b" of an RGB label map -> class or "ignore"
    ignore_index: Annotated[int, Field(ge=0, le=255)] = 255
    palette: Literal["auto"] | tuple[tuple[int, int, int], ...] = "auto"
    value_range: tuple[float, float] | None = None  # [low, high] of images deeper than 8 bits
    exif: Literal["error", "apply", "ignore"] = "error"
    group_by: str | None = None  # regex on the id; its first group keeps images in one split
    allow_duplicates: bool = False
    crop_size: Size = (96, 128)

    @model_validator(mode="before")
    @classmethod
    def _refuse_reduce_zero_label(cls, values: Any) -> Any:
        if isinstance(values, dict) and "reduce_zero_label" in values:
            names = [str(name) for name in values.get("classes", [])]
            table = ", ".join(["0: ignore", *(f"{i + 1}: {name}" for i, name in enumerate(names))])
            raise ValueError(
                f"E103 reduce_zero_label is not used here. Write data.label_map: {{{table}}}"
            )
        if isinstance(values, dict) and isinstance(values.get("crop_size"), int):
            values = {**values, "crop_size": (values["crop_size"], values["crop_size"])}
        return values

    @model_validator(mode="after")
    def _check(self) -> "DataParams":
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(
                f"classes has a name twice: {list(self.classes)}. Make each name unique."
            )
        if "ignore" in self.classes:
            raise ValueError("classes has the name 'ignore', the word for no class. Rename it.")
        if self.num_classes not in (None, len(self.classes)):
            raise ValueError(
                f"num_classes is {self.num_classes} but classes has {len(self.classes)} entries. Remove num_classes."
            )
        if self.ignore_index < len(self.classes):
            raise ValueError(
                f"ignore_index {self.ignore_index} is the id of class {self.classes[self.ignore_index]!r}. Use 255."
            )
        unknown = sorted(set(self.label_map.values()) - {*self.classes, "ignore"})
        if unknown:
            raise ValueError(
                f"label_map names {unknown}, which classes does not have. Known: ignore, {', '.join(self.classes)}."
            )
        if self.palette != "auto" and len(self.palette) != len(self.classes):
            raise ValueError(
                f"palette has {len(self.palette)} colours for {len(self.classes)} classes."
            )
        if self.value_range is not None and self.value_range[0] >= self.value_range[1]:
            raise ValueError(f"value_range {list(self.value_range)} is not [low, high].")
        return self

    @field_validator("group_by")
    @classmethod
    def _check_group_by(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression ({error})") from error
        if groups != 1:
            raise ValueError(
                f"{pattern!r} has {groups} groups; write one, as in '^([A-Za-z0-9]+)_'."
            )
        return pattern


class DemoParams(Section):
    """The rendered surface-inspection set of `data.source: demo`."""

    seed: Seed = 0
    size: Size = (96, 128)
    train: Count = 48
    val: Count = 24
    test: Count = 96


class ValidateParams(Section):
    """Limits that the raw data must keep."""

    min_images: Count = 8
    max_pixels: Count = 100_000_000
    max_ignored_share: Share = 0.95


class PrepareParams(Section):
    """How raw data becomes canonical files."""

    resize: Size | None = None  # every image and label map to this size; null keeps sizes
    val_share: Share = 0.15  # used where the source publishes no split
    test_share: Share = 0.25
    split_seed: Seed = 0
    train_fraction: Annotated[float, Field(gt=0, le=1)] = (
        1.0  # kept of the training split: a stretch of each group
    )


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


class TrainGanParams(Section):
    """The label-map-to-image GAN."""

    seed: Seed = 0
    arch: str = "oasis"  # a name in ocrnet/gan/designs.py
    preset: Literal["cpu-demo", "small", "full"] = "cpu-demo"
    style: Literal["image", "component"] = "image"  # what gets a style of its own
    steps: Count = 500
    max_seconds: Positive | None = None  # a time box: stop at the step that reaches it
    batch_size: Count = 8
    crop_size: Size | None = None  # of the windows it learns from; null: data.crop_size
    rare_crops: Share = 0.5  # share of windows around a pixel of a class drawn evenly
    lr_generator: Positive = 4e-4
    lr_discriminator: Positive = 8e-4
    labelmix_weight: Annotated[float, Field(ge=0)] = 5.0
    labelmix_interval: Count = 4
    class_weight_max: Annotated[float, Field(ge=1)] = 30.0
    ema_decay: Share = 0.995
    l1_weight: Annotated[float, Field(ge=0)] = 100.0  # of pix2pix
    color_jitter: Share = 0.2
    translate: Share = (
        0.125  # of the side, of what the discriminator sees, image and label map together
    )
    cutout: Share = 0.0  # side of a square that it does not see, as a share of the image's
    flip: bool = True
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    processes: Count = 1
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

    count: Count = 96
    seed: Seed = 0
    operations: dict[str, Annotated[float, Field(ge=0)]] = {
        "train": 1.0,
        "flip": 1.0,
        "scale": 1.0,
        "copy_paste": 3.0,
        "warp": 1.0,
        "recombine": 1.0,
    }
    pastes: tuple[Count, Count] = (1, 3)  # objects pasted into one layout, least and most
    rare_power: Annotated[float, Field(ge=0)] = 0.5  # odds of a class are (1 / pixel share)^power
    hard_power: Annotated[float, Field(ge=0)] = (
        0.5  # times (1 - validation IoU of the baseline)^power
    )

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


class EvaluateParams(Section):
    """The comparison on the test split."""

    bootstrap: Annotated[int, Field(ge=100)] = 2000
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    seed: Seed = 0
    boundary_ratio: Annotated[float, Field(gt=0, le=0.1)] = (
        0.02  # band width as a share of the image diagonal
    )
    window: Size | None = None  # of a sliding window; null: whole images
    overlap: Annotated[float, Field(ge=0, lt=1)] = (
        0.33  # share of a window that the next one covers again
    )
    scales: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1.0,)
    flip: bool = False  # add the mirrored image
    merge: Literal["softmax_mean", "logit_mean", "exp_logit_sum"] = "softmax_mean"
    ensemble: bool = False  # score the seeds of an arm together, too
    worst: Count = 8  # images shown, worst and most changed
    rare_share: Share = 0.02  # a class with less of the training pixels is called rare


class PublishParams(Section):
    """What MLflow is told."""

    experiment: str = "ocrnet-demo"
    model_name: str = "ocrnet-demo"
    live: bool = True  # a follower sends the metrics while a stage trains


class CheckpointsParams(Section):
    """Where workers share the checkpoints of stages that run; no stage reads it."""

    store: str | None = None  # a folder, or a URL as fsspec takes it


class PromoteParams(Section):
    """What a challenger must show to become the champion; bootstrap and protocol are those of `evaluate`."""

    margin: Annotated[float, Field(ge=-1, le=1)] = (
        0.0  # the whole interval of the mIoU difference lies above it; below 0: non-inferiority
    )
    max_class_drop: Share = 0.05  # of the IoU of any class
    max_calibration_increase: Share = 0.02
    max_latency_ratio: Positive = 1.5  # to the champion's, on each device measured
    first_min_miou: Share = 0.4  # of a first model, which has no champion to be held against
    first_min_class_iou: Share = 0.1
    abandoned_minutes: Positive = 10.0  # until an unfinished promotion of another machine is undone


class Params(Section):
    """The whole of `params.yaml`."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    data: DataParams
    demo: DemoParams = DemoParams()
    validate_: ValidateParams = Field(default=ValidateParams(), alias="validate")
    prepare: PrepareParams = PrepareParams()
    model: ModelParams = ModelParams()
    train: TrainParams = TrainParams()
    train_gan: TrainGanParams = TrainGanParams()
    synthesize: SynthesizeParams = SynthesizeParams()
    select: SelectParams = SelectParams()
    retrain: RetrainParams = RetrainParams()
    evaluate: EvaluateParams = EvaluateParams()
    publish: PublishParams = PublishParams()
    checkpoints: CheckpointsParams = CheckpointsParams()
    promote: PromoteParams = PromoteParams()

    @model_validator(mode="after")
    def _check_mix(self) -> "Params":
        # An arm without an extra sample would be the baseline, and be reported as if pairs gave nothing.
        retrain, batch, steps = self.retrain, self.train.batch_size, self.train.steps
        found, real = retrain.real_fraction, retrain.real_per_batch(batch)
        place = f"retrain.real_fraction: {found} of train.batch_size {batch} is {real} samples"
        if real == batch:
            raise ValueError(
                f"{place}, which leaves no extra one: every arm would be the baseline. "
                f"Take {(batch - 1) / batch:.3g} or less, or larger batches."
            )
        if real == 0 and found > 0:
            raise ValueError(
                f"{place}, which leaves no real one. Take {1 / batch:.3g} or more, 0 for pairs alone, or larger "
                "batches."
            )
        if retrain.mixed_steps(steps) == 0:
            raise ValueError(
                f"retrain.real_tail: {retrain.real_tail} of train.steps {steps} is all of them: every arm would be the "
                "baseline. Take less, such as 0.2."
            )
        return self
