"""The sections of what follows a training: comparison, tracking, checkpoints, promotion."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from ocrnet.config.base import Count, Number, Positive, Section, Seed, Share, Size
from ocrnet.errors.mlflow_names import experiment_fault, model_fault

Scale = Annotated[float, Number, Field(ge=0.05, le=16)]


class EvaluateParams(Section):
    """The comparison on the test split."""

    bootstrap: Annotated[int, Number, Field(ge=100, le=10**7)] = 2000
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    seed: Seed = 0
    boundary_ratio: Annotated[float, Field(gt=0, le=0.1)] = (
        0.02  # band width as a share of the image diagonal
    )
    window: Size | None = None  # of a sliding window; null: whole images
    overlap: Annotated[float, Field(ge=0, lt=1)] = (
        0.33  # share of a window that the next one covers again
    )
    scales: Annotated[tuple[Scale, ...], Field(min_length=1)] = (1.0,)
    flip: bool = False  # add the mirrored image
    merge: Literal["softmax_mean", "logit_mean", "exp_logit_sum"] = "softmax_mean"
    ensemble: bool = False  # score the seeds of an arm together, too
    worst: Count = 8  # images shown, worst and most changed
    rare_share: Share = 0.02  # a class with less of the training pixels is called rare


class PublishParams(Section):
    """Settings of the tracking with MLflow."""

    experiment: str = "ocrnet-demo"
    model_name: str = "ocrnet-demo"
    live: bool = True  # a follower sends the metrics while a stage trains

    @field_validator("experiment")
    @classmethod
    def _check_experiment(cls, name: str) -> str:
        return _accepted(name, experiment_fault(name))

    @field_validator("model_name")
    @classmethod
    def _check_model_name(cls, name: str) -> str:
        return _accepted(name, model_fault(name))


def _accepted(name: str, fault: str | None) -> str:
    if fault is not None:
        raise ValueError(f"found {name!r}. {fault}")
    return name


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
    first_min_miou: Share = 0.4  # of a first model, which has no champion to be compared with
    first_min_class_iou: Share = 0.1
    abandoned_minutes: Positive = 10.0  # until an unfinished promotion of another machine is undone
