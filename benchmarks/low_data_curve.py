"""The learning curve of `benchmarks.low_data`."""

from collections.abc import Mapping
from typing import Any

from benchmarks.low_data_groups import Group
from ocrnet.evaluation.bootstrap import estimate
from ocrnet.evaluation.scoring import Cell
from ocrnet.evaluation.verdict_text import answer
from ocrnet.gate.decision import finite
from ocrnet.report.curve import hash_ids


def curve_of(fractions: Mapping[float, Group], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the learning curve: per arm and fraction the mIoU with its interval over test images, and each seed.

    Args:
        fractions: the groups.
        settings: what was asked for, told beside the curve.
    """
    arms: dict[str, list[dict[str, Any]]] = {}
    answers = {}
    for fraction, group in fractions.items():
        if group.result is not None:
            answers[f"{fraction:g}"] = answer(group.result)
        for arm in group.arms:
            point = _point(group, arm)
            if point is not None:
                arms.setdefault(arm, []).append({"fraction": fraction, **point})
    ids = next((one.ids for group in fractions.values() for one in group.scores.values()), ())
    return {
        "fractions": list(fractions), "arms": arms, "answers": answers, "settings": dict(settings),
        "test_sha256": hash_ids(ids),
    }  # fmt: skip


def _point(group: Group, arm: str) -> dict[str, Any] | None:
    seeds = group.seeds_of(arm)
    if not seeds:
        return None
    params, stack = group.params.evaluate, group.stack(arm, seeds)
    mean = estimate(
        stack, groups=group.scores[Cell(arm, seeds[0])].groups, resamples=params.bootstrap,
        confidence=params.confidence, seed=params.seed,
    ).miou  # fmt: skip
    each = {str(seed): group.miou(arm, seed) for seed in seeds}
    low, high = (finite(end) for end in (mean.low, mean.high))
    return {"images": group.images, "miou": mean.value, "low": low, "high": high, "seeds": each}
