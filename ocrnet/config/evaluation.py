"""The sections about comparison, tracking, checkpoints and promotion."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from ocrnet.config.base import Count, Number, Positive, Section, Seed, Share, Size
from ocrnet.errors.mlflow_names import experiment_fault, model_fault

# The score that the verdict and the gate are about, and its name for people.
METRICS = {"miou": "mIoU", "pq": "PQ", "ap50": "AP50"}
Metric = Literal["miou", "pq", "ap50"]
MIOU: Metric = "miou"
Scale = Annotated[float, Field(ge=0.05, le=16), Number]


class EvaluateParams(Section):
    """The comparison on the test split."""

    metric: (
        Metric  # the score by which arms are compared and promoted; pq and ap50 need data.things
    )
    bootstrap: Annotated[int, Field(ge=100, le=10**7), Number]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    seed: Seed
    boundary_ratio: Annotated[float, Field(gt=0, le=0.1)]  # width of the band / image diagonal
    window: Size | None  # size of a sliding window; empty: whole images
    overlap: Annotated[
        float, Field(ge=0, lt=1)
    ]  # share of a window that the next window covers again
    window_weights: Literal["uniform", "gaussian"]  # how much the pixels of a window count
    scales: Annotated[tuple[Scale, ...], Field(min_length=1)]
    flip: bool  # add the mirrored image
    merge: Literal["softmax_mean", "logit_mean", "exp_logit_sum"]
    min_object_area: Count  # pixels; a smaller predicted object is left out
    ensemble: bool  # also score the seeds of an arm as an ensemble
    worst: Count  # number of worst images, and of most changed images, in the report
    rare_share: Share  # a class with a smaller share of the training pixels is rare


class PublishParams(Section):
    """Settings of the tracking with MLflow."""

    experiment: str
    model_name: str
    live: bool  # a follower sends the metrics while a stage trains

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
    """Shared storage for the checkpoints of running stages; no stage depends on it."""

    store: str | None  # a folder, or a URL of fsspec


class PromoteParams(Section):
    """Conditions for a challenger to become the champion; bootstrap and protocol are those of `evaluate`."""

    # The whole interval of the difference in evaluate.metric must be above it; below 0 it is a non-inferiority margin.
    margin: Annotated[float, Field(ge=-1, le=1)]
    max_class_drop: Share  # largest allowed loss of IoU of any class
    max_calibration_increase: Share
    max_latency_ratio: Positive  # latency / the champion's, on each measured device
    first_min_miou: Share  # for a first model, which has no champion to compare with
    first_min_class_iou: Share
    # Age in minutes from which an open promotion counts as abandoned: a later promotion or rollback then closes its
    # ledger entry.
    abandoned_minutes: Positive
