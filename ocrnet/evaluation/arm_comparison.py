"""The comparison of the arms: does the GAN help, and which model is the challenger?

The GAN helps if the difference between its arm and its rival has its whole interval above zero. The rival is the best
arm without a GAN that needs no other files: an arm that sees no unlabelled images is not held against one that does.
The best arm has the highest mean on the test images: if it were chosen by validation, another arm without a GAN could
score higher on the test images than a GAN arm that helps. The challenger, however, is chosen by the validation split.
The interval is from a bootstrap over test images (or groups of them), with the same resamples for both arms. With
several seeds it also covers their spread. With too few images or groups there is no interval, and no arm is shown to
help.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64

from ocrnet.config import EvaluateParams
from ocrnet.config.arms import BASELINE, rivals_of, uses_gan, without_gan
from ocrnet.config.evaluation import METRICS, MIOU, Metric
from ocrnet.evaluation.arm_choice import best_arm, best_seed, choose_arm
from ocrnet.evaluation.bootstrap import Comparison, Interval, arm_scores, compare
from ocrnet.evaluation.object_bootstrap import compare_counts, object_scores
from ocrnet.evaluation.scored_split import TestSplit
from ocrnet.evaluation.scoring import Cell, ModelScores
from ocrnet.evaluation.unit_scores import resampling_units
from ocrnet.objects.curves import UnitCounts, unit_counts

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudyResult:
    """The comparison of the arms.

    Args:
        arm_scores: Per arm, the mean over its seeds of the IoU of each class and, last, of the mIoU.
        metric: Score that decides: `evaluate.metric`.
        metric_scores: Per arm, the mean over its seeds of that score on the test images.
        val_scores: That score on the validation images, per arm and seed.
        against_baseline: Comparison of every other arm with the baseline.
        against_best_non_gan: Comparison of every arm with a GAN with its rival, and of every other arm with the best
            arm without a GAN.
        best_non_gan: Best arm without a GAN on the test images.
        rivals: Rival of each arm with a GAN: the best arm without one, on the test images, that needs no other files.
        shown: Arm that the report shows beside the baseline.
        challenger: Model to register.
        helps: Whether the challenger is from an arm with a GAN.
        gan_sees: Whether the GAN learned from unlabelled images.
    """

    arm_scores: dict[str, tuple[float, ...]]
    metric: Metric
    metric_scores: dict[str, float]
    val_scores: dict[str, dict[int, float]]
    against_baseline: dict[str, Comparison]
    against_best_non_gan: dict[str, Comparison]
    best_non_gan: str
    rivals: dict[str, str]
    shown: str
    challenger: Cell
    helps: bool
    gan_sees: bool = False

    @property
    def word(self) -> str:
        """The name of the score that decides, for people."""
        return METRICS[self.metric]

    @property
    def rival(self) -> str:
        """The arm that the shown arm is held against."""
        return self.rivals.get(self.shown, self.best_non_gan)

    @property
    def gan_arms(self) -> list[str]:
        """The arms with a GAN, in order."""
        return [arm for arm in self.val_scores if uses_gan(arm)]

    @property
    def shown_pair(self) -> tuple[Cell, Cell]:
        """The baseline and the retrained model in the gallery, of one seed."""
        seed = best_seed(self.val_scores[self.shown])
        return Cell(BASELINE, seed), Cell(self.shown, seed)


def conclude(
    scores: Sequence[ModelScores], split: TestSplit, params: EvaluateParams, *, gan_sees: bool = False
) -> StudyResult:  # fmt: skip
    """Compare the arms and choose the challenger; among the candidates the validation split decides.

    Seeds whose models are bit-identical in every arm count as one training.
    """
    scores = _distinct(scores)
    val_scores: dict[str, dict[int, float]] = {}
    for score in scores:
        val_scores.setdefault(score.cell.arm, {})[score.cell.seed] = score.val_score(params.metric)
    stacks = {
        arm: np.stack([score.confusions for score in scores if score.cell.arm == arm])
        for arm in val_scores
    }
    objects = None
    if params.metric != MIOU:
        objects = objects_of_arms(scores, val_scores, split.groups)
    return compare_arms(
        stacks, val_scores, groups=split.groups, params=params, objects=objects, gan_sees=gan_sees
    )


def objects_of_arms(
    scores: Sequence[ModelScores],
    cells: Mapping[str, Mapping[int, float]],
    groups: Sequence[str],
) -> dict[str, list[UnitCounts]]:
    """Return the matched objects of each arm, one per seed, in the units that are resampled.

    Args:
        scores: Scores of the models on a split with thing classes.
        cells: The arms, each with its seeds as keys.
        groups: Group of each image.
    """
    _, index = resampling_units(groups)
    return {
        arm: [
            unit_counts(score.objects.images, index)
            for score in scores
            if score.objects and score.cell.arm == arm and score.cell.seed in seeds
        ]
        for arm, seeds in cells.items()
    }


def _distinct(scores: Sequence[ModelScores]) -> list[ModelScores]:
    """Return the scores without trainings that are bit-identical to an earlier one."""
    weights: dict[int, list[tuple[str, str]]] = {}
    for score in scores:
        trained = weights.setdefault(score.cell.seed, [])
        trained.append((score.cell.arm, score.summary["weights_sha256"]))
    first: dict[frozenset[tuple[str, str]], int] = {}
    for seed, trained in weights.items():
        first.setdefault(frozenset(trained), seed)
    repeated = sorted(set(weights) - set(first.values()))
    if repeated:
        logger.warning(
            "evaluate: the models of seeds %s are bit-identical to models of other seeds: they count as one training",
            ", ".join(map(str, repeated)),
        )
    return [score for score in scores if score.cell.seed in first.values()]


def compare_arms(
    stacks: Mapping[str, Int64[np.ndarray, "S N K K"]],
    val_scores: Mapping[str, dict[int, float]],
    *,
    groups: Sequence[str],
    params: EvaluateParams,
    objects: Mapping[str, Sequence[UnitCounts]] | None = None,
    gan_sees: bool = False,
) -> StudyResult:
    """Compare the baseline and at least one other arm.

    Args:
        stacks: Confusion matrices of each arm, one per seed and test image.
        val_scores: Validation score per arm and seed, with the seeds in the order of the stacks.
        groups: Group of each test image.
        params: Params of the bootstrap.
        objects: Matched objects of each arm, one per seed, by whose `evaluate.metric` arms are compared; without them
            the mIoU decides.
        gan_sees: Whether the GAN learned from unlabelled images.
    """
    metric = MIOU if objects is None else params.metric

    def against(arm: str, reference: str) -> Comparison:
        found = compare(
            stacks[arm], stacks[reference],
            groups=groups, resamples=params.bootstrap,
            confidence=params.confidence, seed=params.seed, over_seeds=len(stacks[arm]) > 1,
        )  # fmt: skip
        if objects is None:
            return found
        ends = compare_counts(objects[arm], objects[reference], params)[metric]
        return replace(found, of_objects=Interval(**ends))

    scores = {arm: tuple(map(float, arm_scores(stack))) for arm, stack in stacks.items()}
    deciding = {arm: values[-1] for arm, values in scores.items()}
    if objects is not None:
        deciding = {arm: object_scores(own)[metric] for arm, own in objects.items()}

    def best(arms: Sequence[str]) -> str:
        return max(arms, key=lambda arm: deciding[arm])

    best_non_gan = best(without_gan(val_scores))
    extra = [arm for arm in val_scores if arm != BASELINE]
    gan = [arm for arm in extra if uses_gan(arm)]
    rivals = {arm: best(rivals_of(arm, val_scores, gan_sees=gan_sees)) for arm in gan}
    against_best_non_gan = {
        arm: against(arm, rivals.get(arm, best_non_gan))
        for arm in val_scores
        if arm != best_non_gan
    }
    helpful = [arm for arm in gan if against_best_non_gan[arm].helps]
    chosen = choose_arm(val_scores, helpful, gan_sees=gan_sees)
    return StudyResult(
        arm_scores=scores,
        metric=metric,
        metric_scores=deciding,
        val_scores=dict(val_scores),
        against_baseline={arm: against(arm, BASELINE) for arm in extra},
        against_best_non_gan=against_best_non_gan,
        best_non_gan=best_non_gan,
        rivals=rivals,
        shown=chosen if chosen in gan else best_arm(val_scores, gan or extra),
        challenger=Cell(chosen, best_seed(val_scores[chosen])),
        helps=chosen in gan,
        gan_sees=gan_sees,
    )
