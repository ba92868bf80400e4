"""The scores of objects as text."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ocrnet.evaluation.verdict_text import percent

CLASS_SCORES = ("ap", "ap50", "pq", "precision", "recall", "mean_iou")
HEADS = ("AP", "AP50", "PQ", "precision", "recall", "mean IoU")


def object_lines(
    summary: Mapping[str, Any], intervals: Mapping[str, Mapping[str, float]], things: Sequence[str]
) -> list[str]:
    """Return a table of the thing classes, then the counts by size.

    Args:
        summary: Summary of the objects of a model.
        intervals: PQ and AP50 with the ends of their intervals.
        things: Names of the thing classes.
    """
    width = max(len(name) for name in ("objects", "mean", *things))
    heads = "".join(f"  {head:>9}" for head in HEADS)
    lines = [f"{'objects':{width}}  {'true':>6}  {'predicted':>9}{heads}"]
    for name, row in zip(things, summary["classes"], strict=True):
        values = "".join(f"  {share(row[key]):>9}" for key in CLASS_SCORES)
        lines.append(f"{name:{width}}  {row['true']:>6}  {row['predicted']:>9}{values}")
    for word, key in (("AP50", "ap50"), ("PQ", "pq")):
        one = intervals[key]
        ends = f" [{percent(one['low'])}, {percent(one['high'])}]" if one["low"] == one["low"] else ""  # fmt: skip
        lines.append(f"mean {word} {percent(one['value'])}{ends}")
    further = ", ".join(f"{key.upper()} {share(summary[key])}" for key in ("ap", "ap75", "ar", "sq", "rq"))  # fmt: skip
    lines.append(
        f"mean {further}; error of the count {summary['count_error']:.2f} objects an image"
    )
    return [*lines, *size_lines(summary["sizes"])]


def size_lines(sizes: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the numbers of objects that are found, missed and false, a line for each size that has any."""
    return [
        f"{size}: {counts['found']} found, {counts['missed']} missed, {counts['false']} false"
        for size, counts in sizes.items()
        if any(counts.values())
    ]


def share(value: float | None) -> str:
    """Return a share as percent, or a word for none."""
    return percent(float("nan") if value is None else value)


def finite(value: Any) -> Any:
    """Return nested values with None in place of nan, which JSON does not have."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
