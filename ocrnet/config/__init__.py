"""The params of every stage as frozen objects: one class per section of `params.yaml`."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from ocrnet.config.arms import ARMS, JOIN, uses_holes, uses_mean_teacher, uses_unlabelled
from ocrnet.config.base import Section, Seed
from ocrnet.config.data import DataParams, DemoParams, PrepareParams, ValidateParams
from ocrnet.config.evaluation import (
    MIOU,
    CheckpointsParams,
    EvaluateParams,
    PromoteParams,
    PublishParams,
)
from ocrnet.config.gan import JOINT, LABELLED, SelectParams, SynthesizeParams, TrainGanParams
from ocrnet.config.training import ModelParams, RetrainParams, TrainParams
from ocrnet.config.unlabelled import MeanTeacherParams, PseudoLabelParams

__all__ = [
    "DataParams", "EvaluateParams", "MeanTeacherParams", "ModelParams", "Params", "PromoteParams", "PseudoLabelParams",
    "RetrainParams", "SelectParams", "SynthesizeParams", "TrainGanParams", "TrainParams",
]  # fmt: skip


class Params(Section):
    """The content of `params.yaml`, which has every value: the classes have no defaults."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    folds: tuple[
        Seed, ...
    ]  # numbers of the folds of the training images, from 1 on; none: no training per fold
    data: DataParams
    demo: DemoParams
    validate_: ValidateParams = Field(alias="validate")
    prepare: PrepareParams
    model: ModelParams
    train: TrainParams
    train_gan: TrainGanParams
    synthesize: SynthesizeParams
    select: SelectParams
    pseudo_label: PseudoLabelParams
    retrain: RetrainParams
    mean_teacher: MeanTeacherParams
    evaluate: EvaluateParams
    publish: PublishParams
    checkpoints: CheckpointsParams
    promote: PromoteParams

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if twice:
            raise ValueError(
                f"found {list(seeds)}: {', '.join(map(str, twice))} is a duplicate, so one training would count as "
                "two. Name each seed once."
            )
        return seeds

    @field_validator("seeds", mode="before")
    @classmethod
    def _check_list_of_seeds(cls, seeds: Any) -> Any:
        if not isinstance(seeds, list | tuple):
            raise ValueError(f"found {seeds!r}, expected a list of whole numbers, such as [0].")
        return seeds

    @field_validator("folds")
    @classmethod
    def _check_folds(cls, folds: tuple[int, ...]) -> tuple[int, ...]:
        if folds and (len(folds) == 1 or list(folds) != list(range(1, len(folds) + 1))):
            raise ValueError(
                f"found {list(folds)}, expected all folds in order, such as [1, 2, 3, 4, 5], or [] for no training per "
                "fold."
            )
        return folds

    @model_validator(mode="after")
    def _check_norm(self) -> "Params":
        train = self.train
        batch, processes, parts = train.batch_size, train.processes, train.accumulate
        needs_two = _needs_two(self.model.arch, self.model.norm)
        lone = needs_two or (processes == 1 and self.model.norm == "sync")
        if parts > 1 and batch == parts * processes and lone:
            raise ValueError(
                f"train.accumulate: {parts} parts of {batch} images have one image each per process, but model.norm "
                f"{self.model.norm} of {self.model.arch} needs two or more. Set fewer parts, set model.norm to group, "
                "or raise train.batch_size."
            )
        if batch == processes and needs_two:
            raise ValueError(
                f"train.processes: {processes} processes share {batch} images, one each, but model.norm "
                f"{self.model.norm} of {self.model.arch} needs two or more. Set model.norm to sync or group, or raise "
                "train.batch_size."
            )
        return self

    @model_validator(mode="after")
    def _check_instances(self) -> "Params":
        if self.model.instances != "none" and not self.data.things:
            raise ValueError(
                f"model.instances: {self.model.instances} tells the objects of data.things apart, and data.things "
                "names no class. Name some, or set model.instances to none."
            )
        return self

    @model_validator(mode="after")
    def _check_tuning(self) -> "Params":
        if self.train.tune_score and not self.data.things:
            raise ValueError(
                "train.tune_score: true chooses the least score of the objects of data.things, and data.things names "
                "no class. Name some, or set train.tune_score to false."
            )
        return self

    @model_validator(mode="after")
    def _check_metric(self) -> "Params":
        if self.evaluate.metric != MIOU and not self.data.things:
            raise ValueError(
                f"evaluate.metric: {self.evaluate.metric} is a score of the objects of data.things, and data.things "
                "names no class. Name some, or set evaluate.metric to miou."
            )
        return self

    @model_validator(mode="after")
    def _check_unlabelled(self) -> "Params":
        arms = [arm for arm in self.retrain.arms if _is_known(arm) and uses_unlabelled(arm)]
        askers = [f"retrain.arms: {', '.join(arms)}"] if arms else []
        askers += (
            [f"train_gan.pairs: {self.train_gan.pairs}"] if self.train_gan.sees_unlabelled else []
        )
        if not askers:
            return self
        data, prepare = self.data, self.prepare
        has_rest = prepare.rest == "unlabelled" and prepare.train_fraction < 1
        if data.unlabelled is None and data.without_label_map != "unlabelled" and not has_rest:
            raise ValueError(
                f"{askers[0]} needs unlabelled images, but no param names any. Set data.unlabelled "
                "to a folder of them, or data.without_label_map or, with prepare.train_fraction below 1, prepare.rest "
                f"to unlabelled; or {'remove the arm' if arms else f'set {LABELLED}'}."
            )
        if not any(map(uses_mean_teacher, arms)):
            return self
        count, batch = self.mean_teacher.per_batch(self.train.batch_size), self.train.batch_size
        parts = 2 * self.train.processes * self.train.accumulate
        if count % parts:
            raise ValueError(
                f"mean_teacher.ratio: {self.mean_teacher.ratio:g} of train.batch_size {batch} is {count} unlabelled "
                f"images, which cannot be divided evenly as pairs over train.processes {self.train.processes} and "
                f"train.accumulate {self.train.accumulate}. Set a ratio that gives a multiple of {parts}."
            )
        return self

    @model_validator(mode="after")
    def _check_holes(self) -> "Params":
        arms = [arm for arm in self.retrain.arms if uses_holes(arm)]
        if arms and self.train_gan.holes == 0:
            raise ValueError(
                f"retrain.arms: {', '.join(arms)} needs a GAN that paints holes in real images, but train_gan.holes is "
                "0. Set it above 0, such as 0.5, or remove the arm."
            )
        return self

    @model_validator(mode="after")
    def _check_joint(self) -> "Params":
        if self.synthesize.operations.get(JOINT, 0) > 0 and self.train_gan.joint_steps == 0:
            raise ValueError(
                "synthesize.operations: joint needs a joint generator, but train_gan.joint_steps is 0. Set it above 0, "
                "such as 1000, or set joint to 0."
            )
        return self

    @model_validator(mode="after")
    def _check_pseudo_seed(self) -> "Params":
        seed = self.train_gan.pseudo_seed
        if seed is not None and seed not in self.seeds:
            raise ValueError(
                f"train_gan.pairs: {self.train_gan.pairs} are pairs of seed {seed}, but seeds are {list(self.seeds)}. "
                f"Set data/pseudo_label/{self.seeds[0]}/pairs."
            )
        return self

    @model_validator(mode="after")
    def _check_mix(self) -> "Params":
        # An arm without extra samples would be the baseline, and the report would say that pairs do not help.
        retrain, batch, steps = self.retrain, self.train.batch_size, self.train.steps
        found, real = retrain.real_fraction, retrain.real_per_batch(batch)
        place = f"retrain.real_fraction: {found} of train.batch_size {batch} is {real} samples"
        if real == batch:
            raise ValueError(
                f"{place}, which leaves no extra sample: every arm would be the baseline. "
                f"Set {(batch - 1) / batch:.3g} or less, or larger batches."
            )
        if real == 0 and found > 0:
            raise ValueError(
                f"{place}, so no sample is real. Set {1 / batch:.3g} or more, 0 for pairs alone, or larger "
                "batches."
            )
        if retrain.mixed_steps(steps) == 0:
            raise ValueError(
                f"retrain.real_tail: {retrain.real_tail} of train.steps {steps} is all steps: every arm would be the "
                "baseline. Set less, such as 0.2."
            )
        return self


def _is_known(arm: str) -> bool:
    """Return whether the streams of an arm are known; `preflight/names.py` tells the others."""
    return all(part in ARMS for part in arm.split(JOIN))


def _needs_two(arch: str, norm: str) -> bool:
    """Return whether a norm needs two images or more per process."""
    # The pooled branch of deeplabv3 has one pixel per image, and its norm is not in the backbone.
    return norm == "batch" or (norm == "frozen" and arch == "deeplabv3")
