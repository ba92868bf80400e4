"""What the scores mean: did the GAN help, and which model is the challenger.

The GAN helps when an arm with it is better than the best arm without one, the whole interval above zero. Which of the
arms without a GAN is the best, the validation split says. The interval is that of a bootstrap over test images (or
groups of them) and, where there are several, over seeds, both arms on the same resamples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from ocrnet.compare import (
    BASELINE,
    NON_GAN,
    Comparison,
    arm_scores,
    best_arm,
    best_seed,
    choose_arm,
    compare,
    non_gan,
)
from ocrnet.config import EvaluateParams
from ocrnet.scoring import Cell, ModelScores, TestSplit


@dataclass(frozen=True)
class Outcome:
    """The comparison of the arms.

    Args:
        arm_scores: per arm, the mean over its seeds of each class's IoU and, last, of the mIoU.
        val_mious: the validation mIoU per arm and seed.
        against_baseline: every other arm against the baseline.
        against_rival: every other arm against the best arm without a GAN.
        rival: the best arm without a GAN, by validation mIoU.
        shown: the arm that the report puts beside the baseline.
        challenger: the model to register.
        helps: whether the challenger is of an arm with a GAN.
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
        return [arm for arm in self.val_mious if arm not in NON_GAN]

    @property
    def shown_pair(self) -> tuple[Cell, Cell]:
        """The baseline and the retrained model of the pictures, of one seed."""
        seed = best_seed(self.val_mious[self.shown])
        return Cell(BASELINE, seed), Cell(self.shown, seed)


def judge(scores: Sequence[ModelScores], split: TestSplit, params: EvaluateParams) -> Outcome:
    """Compare the arms and choose the challenger; the validation split decides between equals."""
    val_mious: dict[str, dict[int, float]] = {}
    for score in scores:
        val_mious.setdefault(score.cell.arm, {})[score.cell.seed] = score.val_miou
    stacks = {
        arm: np.stack([score.confusions for score in scores if score.cell.arm == arm])
        for arm in val_mious
    }
    return compare_arms(stacks, val_mious, groups=split.groups, params=params)


def compare_arms(
    stacks: Mapping[str, Int64[np.ndarray, "S N K K"]],
    val_mious: Mapping[str, dict[int, float]],
    *,
    groups: Sequence[str],
    params: EvaluateParams,
) -> Outcome:
    """Compare arms, one of them the baseline and at least one other.

    Args:
        stacks: per arm, a confusion matrix per seed and test image.
        val_mious: the validation mIoU per arm and seed, seeds in the order of the stacks.
        groups: of the test images.
        params: of the bootstrap.
    """

    def against(arm: str, reference: str) -> Comparison:
        return compare(
            stacks[arm], stacks[reference],
            groups=groups, resamples=params.bootstrap,
            confidence=params.confidence, seed=params.seed, over_seeds=len(stacks[arm]) > 1,
        )  # fmt: skip

    rival = best_arm(val_mious, non_gan(val_mious))
    extra = [arm for arm in val_mious if arm != BASELINE]
    gan = [arm for arm in extra if arm not in NON_GAN]
    against_rival = {arm: against(arm, rival) for arm in val_mious if arm != rival}
    chosen = choose_arm(val_mious, {arm: against_rival[arm] for arm in gan})
    return Outcome(
        arm_scores={arm: tuple(map(float, arm_scores(stack))) for arm, stack in stacks.items()},
        val_mious=dict(val_mious),
        against_baseline={arm: against(arm, BASELINE) for arm in extra},
        against_rival=against_rival,
        rival=rival,
        shown=chosen if chosen in gan else best_arm(val_mious, gan or extra),
        challenger=Cell(chosen, best_seed(val_mious[chosen])),
        helps=chosen in gan,
    )
