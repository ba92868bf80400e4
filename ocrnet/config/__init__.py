"""The parameters of every stage as frozen objects: a class per section of `params.yaml`."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from ocrnet.config.base import Section, Seed
from ocrnet.config.data import DataParams, DemoParams, PrepareParams, ValidateParams
from ocrnet.config.evaluation import CheckpointsParams, EvaluateParams, PromoteParams, PublishParams
from ocrnet.config.gan import SelectParams, SynthesizeParams, TrainGanParams
from ocrnet.config.training import ModelParams, RetrainParams, TrainParams

__all__ = [
    "DataParams", "EvaluateParams", "ModelParams", "Params", "PromoteParams", "RetrainParams", "SelectParams",
    "SynthesizeParams", "TrainGanParams", "TrainParams",
]  # fmt: skip


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

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if twice:
            raise ValueError(
                f"found {list(seeds)}: {', '.join(map(str, twice))} stands twice, which would count one training as "
                "two. Name each seed once."
            )
        return seeds

    @field_validator("seeds", mode="before")
    @classmethod
    def _check_list_of_seeds(cls, seeds: Any) -> Any:
        if not isinstance(seeds, list | tuple):
            raise ValueError(f"found {seeds!r}, expected a list of whole numbers, such as [0].")
        return seeds

    @model_validator(mode="after")
    def _check_norm(self) -> "Params":
        batch, processes = self.train.batch_size, self.train.processes
        if batch == processes and _needs_two(self.model.arch, self.model.norm):
            raise ValueError(
                f"train.processes: {processes} processes share {batch} images, one each, and model.norm "
                f"{self.model.norm} of {self.model.arch} needs two or more. Set model.norm to sync or group, or raise "
                "train.batch_size."
            )
        return self

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


def _needs_two(arch: str, norm: str) -> bool:
    """Tell whether a training process needs two images or more to normalise by."""
    # The pooled branch of deeplabv3 has one pixel an image, and its norm is none of the backbone's.
    return norm == "batch" or (norm == "frozen" and arch == "deeplabv3")
