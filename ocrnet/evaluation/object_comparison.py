"""The comparison of arms by their objects, beside that of `arm_comparison.py`."""

from collections.abc import Sequence

import numpy as np

from ocrnet.config import EvaluateParams
from ocrnet.config.arms import BASELINE
from ocrnet.evaluation.arm_comparison import StudyResult, objects_of_arms
from ocrnet.evaluation.object_bootstrap import Ends, compare_counts
from ocrnet.evaluation.scored_split import TestSplit
from ocrnet.evaluation.scoring import ModelScores

# By kind of comparison and arm: the interval of the difference of each score, and unit and number of units.
ObjectComparisons = dict[str, dict[str, dict[str, Ends]]]


def compare_objects_of_arms(
    scores: Sequence[ModelScores], result: StudyResult, split: TestSplit, params: EvaluateParams
) -> ObjectComparisons | None:
    """Compare each arm with the baseline, and with the arm that its mIoU is held against; None without things."""
    if not split.things:
        return None
    arms = objects_of_arms(scores, result.val_scores, split.groups)
    rivals = {arm: result.rivals.get(arm, result.best_non_gan) for arm in arms}
    against = {"against_baseline": dict.fromkeys(arms, BASELINE), "against_best_non_gan": rivals}
    return {
        kind: {
            arm: compare_counts(arms[arm], arms[reference], params)
            for arm, reference in references.items()
            if arm != reference
        }
        for kind, references in against.items()
    }


def flat_object_differences(comparisons: ObjectComparisons | None) -> dict[str, float]:
    """Return the differences with their intervals under flat metric names; empty without thing classes."""
    words = {"against_baseline": "delta", "against_best_non_gan": "delta_best_non_gan"}
    flat: dict[str, float] = {}
    for kind, arms in (comparisons or {}).items():
        for arm, found in arms.items():
            for name, interval in found.items():
                place = f"test/{words[kind]}/{arm}/{name.upper()}"
                flat |= {place: interval["value"], f"{place}/low": interval["low"],
                         f"{place}/high": interval["high"]}  # fmt: skip
    return {name: value for name, value in flat.items() if np.isfinite(value)}
