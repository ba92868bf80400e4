"""The decision whether the challenger replaces the champion: a pure function of scores, latencies and limits.

The challenger replaces the champion if three conditions hold: the whole interval of the difference in the score that
`evaluate.metric` names (a paired bootstrap over test images or groups of them, as in `compare`) is above the margin; no
class loses more IoU than the limit; and neither calibration nor latency gets worse by more than its limit. A first
model has no champion to be compared with: it must be requested (--first) and must reach minimum scores of the mIoU and
of each class, without an interval. If the test split has too few images or groups for an interval, no champion is
replaced.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Integer

from ocrnet.config import EvaluateParams, PromoteParams
from ocrnet.config.evaluation import METRICS, MIOU, Metric
from ocrnet.errors import DataError
from ocrnet.evaluation.bootstrap import Comparison, Estimate, Interval, compare, estimate
from ocrnet.evaluation.object_bootstrap import compare_counts, object_scores
from ocrnet.evaluation.unit_scores import resampling_units
from ocrnet.gate.decision import Check, Decision, finite
from ocrnet.metrics import miou
from ocrnet.objects.curves import UnitCounts, unit_counts
from ocrnet.objects.matching import ObjectCounts

SHOWN_IDS = 3


@dataclass(frozen=True)
class Candidate:
    """The scores of a model for the gate.

    Args:
        name: Name in messages, such as `version 3`.
        ids: Ids of the test images, in the order of `groups` and `confusions`.
        groups: Group of each image.
        confusions: One confusion matrix per image; rows are the truth.
        calibration_error: Calibration error of the top label, over all valid pixels.
        weights_sha256: SHA-256 of the weights that were scored.
        objects: Matched objects of each image; needed only if `evaluate.metric` is a score of objects.
    """

    name: str
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    confusions: Integer[np.ndarray, "N K K"]
    calibration_error: float
    weights_sha256: str = ""
    objects: tuple[ObjectCounts, ...] | None = None


def decide(
    challenger: Candidate,
    champion: Candidate | None,
    *,
    class_names: Sequence[str],
    latency: Mapping[str, float],
    limits: PromoteParams,
    statistics: EvaluateParams,
    first: bool = False,
) -> Decision:
    """Decide whether the challenger is promoted.

    Args:
        challenger: Model that may be promoted.
        champion: Current champion, scored on the same test images; None if there is none.
        class_names: Names of the classes, in the order of their ids.
        latency: Ratio of the challenger's latency to the champion's, per device on which both were measured.
        limits: Limits for the challenger.
        statistics: Params of the bootstrap: resamples, confidence and seed.
        first: Whether a first model was requested.

    Raises:
        DataError: The two were scored on different images, groups or classes.
    """
    if champion is None:
        return _decide_first(
            challenger, class_names, limits=limits, statistics=statistics, first=first
        )
    _check_same_split(challenger, champion)
    found = compare_candidates(challenger, champion, statistics)
    less_calibrated = challenger.calibration_error - champion.calibration_error
    slowest = limits.max_latency_ratio
    checks = [
        _beyond_doubt(found, limits, METRICS[statistics.metric]),
        *(
            Check(f"IoU {name}", one.value, ">=", -limits.max_class_drop, "points")
            for name, one in zip(class_names, found.per_class, strict=True)
            if not math.isnan(one.value)
        ),
        Check(
            "calibration error", less_calibrated, "<=", limits.max_calibration_increase, "points"
        ),
        *(
            Check(f"latency on {name}", ratio, "<=", slowest, "ratio")
            for name, ratio in latency.items()
        ),
    ]
    figures = {
        **_statistics(found, statistics, images=len(challenger.ids)),
        "miou_difference": _ends(found.miou),
        **_object_figures(found, statistics.metric),
        "iou_differences": _by_class(class_names, [one.value for one in found.per_class]),
        "challenger": _scores(challenger, statistics.metric),
        "champion": _scores(champion, statistics.metric),
        "latency": dict(latency),
    }
    return Decision(tuple(checks), figures)


def compare_candidates(
    challenger: Candidate, champion: Candidate, statistics: EvaluateParams
) -> Comparison:
    """Compare two models that were scored on the same images, by their objects too if these decide."""
    found = compare(
        challenger.confusions[None], champion.confusions[None], groups=challenger.groups,
        resamples=statistics.bootstrap, confidence=statistics.confidence, seed=statistics.seed,
    )  # fmt: skip
    if statistics.metric == MIOU:
        return found
    ends = compare_counts([_units(challenger)], [_units(champion)], statistics)
    return replace(found, of_objects=Interval(**ends[statistics.metric]))


def _units(model: Candidate) -> UnitCounts:
    assert model.objects is not None
    return unit_counts(model.objects, resampling_units(model.groups)[1])


def _decide_first(
    challenger: Candidate,
    class_names: Sequence[str],
    *,
    limits: PromoteParams,
    statistics: EvaluateParams,
    first: bool,
) -> Decision:
    found = estimate(
        challenger.confusions[None], groups=challenger.groups,
        resamples=statistics.bootstrap, confidence=statistics.confidence, seed=statistics.seed,
    )  # fmt: skip
    checks = [
        Check("no champion: first model requested (--first)", float(first), ">=", 1.0, "answer"),
        Check("mIoU", found.miou.value, ">=", limits.first_min_miou, "share"),
        *(
            Check(f"IoU {name}", one.value, ">=", limits.first_min_class_iou, "share")
            for name, one in zip(class_names, found.per_class, strict=True)
            if not math.isnan(one.value)
        ),
    ]
    figures = {
        **_statistics(found, statistics, images=len(challenger.ids)),
        "miou": _ends(found.miou),
        "challenger": _scores(challenger, statistics.metric),
    }
    return Decision(tuple(checks), figures)


def _beyond_doubt(found: Comparison, limits: PromoteParams, word: str) -> Check:
    """Return the check of the interval or, if there is none, of the number of units that it needs."""
    if found.too_few:
        name = f"test {found.unit} for an interval"
        return Check(name, float(found.units), ">=", float(found.least), "count")
    name = f"{word} difference, low end of {100 * found.confidence:g} %"
    return Check(name, found.deciding.low, ">", limits.margin, "points")


def _object_figures(found: Comparison, metric: Metric) -> dict[str, Any]:
    """Return the difference in the score of objects that decides; empty if the mIoU does."""
    if found.of_objects is None:
        return {}
    return {"metric": metric, f"{metric}_difference": _ends(found.of_objects)}


def _ends(interval: Interval) -> dict[str, float | None]:
    return {name: finite(value) for name, value in asdict(interval).items()}


def _check_same_split(challenger: Candidate, champion: Candidate) -> None:
    """Refuse to compare scores of different splits: the interval would mean nothing.

    Raises:
        DataError: Images, groups or classes differ.
    """
    both = f"{challenger.name} and {champion.name}"
    if challenger.confusions.shape != champion.confusions.shape:
        shapes = [list(one.confusions.shape) for one in (challenger, champion)]
        raise DataError(
            f"{both}: the confusion matrices have the shapes {shapes[0]} and {shapes[1]}. Score both again."
        )
    if challenger.ids != champion.ids:
        other = sorted(set(challenger.ids) ^ set(champion.ids))[:SHOWN_IDS]
        what = f"only one has {other}" if other else "the order differs"
        raise DataError(
            f"{both}: scored on different images: {what}. Score both on one test split."
        )
    if challenger.groups != champion.groups:
        raise DataError(
            f"{both}: the images are in different groups. Score both on one test split."
        )
    truths = [one.confusions.sum(axis=2) for one in (challenger, champion)]
    if not np.array_equal(*truths):
        raise DataError(
            f"{both}: the same ids have different label maps. Score both on one test split."
        )


def _statistics(found: Estimate, statistics: EvaluateParams, *, images: int) -> dict[str, Any]:
    return {
        "images": images,
        "classes": found.classes,
        "bootstrap": {
            "resamples": statistics.bootstrap, "seed": statistics.seed, "confidence": found.confidence,
            "unit": found.unit, "units": found.units, "least_units": found.least,
        },
    }  # fmt: skip


def _scores(model: Candidate, metric: Metric) -> dict[str, Any]:
    """Return the scores of one model."""
    own: dict[str, float | None] = {}
    if metric != MIOU:
        own[metric] = finite(object_scores([_units(model)])[metric])
    return {
        "name": model.name,
        "weights_sha256": model.weights_sha256,
        "miou": finite(miou(model.confusions.sum(axis=0))),
        **own,
        "calibration_error": finite(model.calibration_error),
    }


def _by_class(names: Sequence[str], values: Sequence[float]) -> dict[str, float | None]:
    return {name: finite(value) for name, value in zip(names, values, strict=True)}
