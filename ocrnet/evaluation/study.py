"""What the scores mean: did the GAN help, and which model is the challenger.

The GAN helps when an arm with it is better than the best arm without one, the whole interval above zero. The best is
the one with the highest mean on the test images: if validation chose it, another arm without a GAN could score higher
on the test images than a GAN that is said to help. The challenger, however, is chosen by the
validation split. The interval is that of a bootstrap over test images (or groups of them), both arms on the same
resamples, widened by the spread of the seeds where there are several. With too few images or groups there is no
interval, and no arm is shown to help.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from ocrnet.config import EvaluateParams
from ocrnet.config.arms import BASELINE, uses_gan, without_gan
from ocrnet.evaluation.bootstrap import (
    Comparison,
    arm_scores,
    best_arm,
    best_seed,
    choose_arm,
    compare,
)
from ocrnet.evaluation.scoring import Cell, ModelScores, TestSplit

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """The comparison of the arms.

    Args:
        arm_scores: Mean over the seeds of each arm, of each class's IoU and, last, of the mIoU.
        val_mious: Validation mIoU per arm and seed.
        against_baseline: Comparison of every other arm with the baseline.
        against_rival: Comparison of every other arm with the best arm without a GAN.
        rival: The best arm without a GAN on the test images.
        shown: Arm that the report shows beside the baseline.
        challenger: Model to register.
        helps: Whether the challenger is of an arm with a GAN.
    """

    arm_scores: dict[str, tuple[float, ...]]
    val_mious: dict[str, dict[int, float]]
    against_baseline: dict[str, Comparison]
    against_rival: dict[str, Comparison]
    rival: str
    shown: str
    challenger: Cell
    helps: bool

    @property
    def gan_arms(self) -> list[str]:
        """The arms that used a GAN, in order."""
        return [arm for arm in self.val_mious if uses_gan(arm)]

    @property
    def shown_pair(self) -> tuple[Cell, Cell]:
        """The baseline and the retrained model of the pictures, of one seed."""
        seed = best_seed(self.val_mious[self.shown])
        return Cell(BASELINE, seed), Cell(self.shown, seed)


def judge(scores: Sequence[ModelScores], split: TestSplit, params: EvaluateParams) -> Outcome:
    """Compare the arms and choose the challenger; the validation split decides between equals.

    Seeds whose models are the same to the bit in every arm count as one training.
    """
    scores = _distinct(scores)
    val_mious: dict[str, dict[int, float]] = {}
    for score in scores:
        val_mious.setdefault(score.cell.arm, {})[score.cell.seed] = score.val_miou
    stacks = {
        arm: np.stack([score.confusions for score in scores if score.cell.arm == arm])
        for arm in val_mious
    }
    return compare_arms(stacks, val_mious, groups=split.groups, params=params)


def _distinct(scores: Sequence[ModelScores]) -> list[ModelScores]:
    """Return the scores of trainings that are not the same as an earlier one."""
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
            "evaluate: the models of seeds %s are those of other seeds to the bit: they count as one training",
            ", ".join(map(str, repeated)),
        )
    return [score for score in scores if score.cell.seed in first.values()]


def compare_arms(
    stacks: Mapping[str, Int64[np.ndarray, "S N K K"]],
    val_mious: Mapping[str, dict[int, float]],
    *,
    groups: Sequence[str],
    params: EvaluateParams,
) -> Outcome:
    """Compare arms, one of them the baseline and at least one other.

    Args:
        stacks: Confusion matrices of each arm, one per seed and test image.
        val_mious: The validation mIoU per arm and seed, seeds in the order of the stacks.
        groups: Group of each test image.
        params: Settings of the bootstrap.
    """

    def against(arm: str, reference: str) -> Comparison:
        return compare(
            stacks[arm], stacks[reference],
            groups=groups, resamples=params.bootstrap,
            confidence=params.confidence, seed=params.seed, over_seeds=len(stacks[arm]) > 1,
        )  # fmt: skip

    scores = {arm: tuple(map(float, arm_scores(stack))) for arm, stack in stacks.items()}
    rival = max(without_gan(val_mious), key=lambda arm: scores[arm][-1])
    extra = [arm for arm in val_mious if arm != BASELINE]
    gan = [arm for arm in extra if uses_gan(arm)]
    against_rival = {arm: against(arm, rival) for arm in val_mious if arm != rival}
    chosen = choose_arm(val_mious, [arm for arm in gan if against_rival[arm].helps])
    return Outcome(
        arm_scores=scores,
        val_mious=dict(val_mious),
        against_baseline={arm: against(arm, BASELINE) for arm in extra},
        against_rival=against_rival,
        rival=rival,
        shown=chosen if chosen in gan else best_arm(val_mious, gan or extra),
        challenger=Cell(chosen, best_seed(val_mious[chosen])),
        helps=chosen in gan,
    )
