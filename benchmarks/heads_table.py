"""The table of `benchmarks.heads`, from the scores of its models."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.markdown import markdown_table
from benchmarks.score import Scores
from benchmarks.study import Variant, require_same_images
from ocrnet.errors import DataError
from ocrnet.evaluation.bootstrap import Comparison, compare
from ocrnet.evaluation.intervals import least_units, shortage_words
from ocrnet.evaluation.scoring import Cell
from ocrnet.evaluation.unit_scores import resampling_units
from ocrnet.metrics import miou

REFERENCE = "ocrnet"
COST_FILE = "cost.json"
TABLE_FILE = "table.md"
RESAMPLES = 10_000
CONFIDENCE = 0.95
Heads = Mapping[str, Mapping[Cell, Scores]]


def make_table(variants: Sequence[Variant], cost_file: Path) -> str:
    """Return the table of the models that are scored, as Markdown.

    Args:
        variants: Variant of each architecture.
        cost_file: File of parameters and costs, which may be missing.

    Raises:
        DataError: no model is scored, or they were scored on different images.
    """
    heads = {variant.name: variant.scores for variant in variants}
    scored = [one for scores in heads.values() for one in scores.values()]
    root, models = variants[0].root, variants[0].models
    if not scored:
        raise DataError(f"{root}: no model of {', '.join(heads)} is done. Run without --table first.")  # fmt: skip
    require_same_images(scored, place=str(root))
    cost = json.loads(cost_file.read_text()) if cost_file.exists() else {}
    head = [
        "head", "params (M)", "time of a step", "peak memory of a step", "test mIoU (%)",
        *(f"seed {cell.seed}" for cell in models), f"{REFERENCE} minus this, {CONFIDENCE:.0%} interval",
    ]  # fmt: skip
    table = markdown_table([head, *(_row(arch, models, heads, cost) for arch in heads)])
    missing = [f"{a}-{cell.seed}" for a in heads for cell in models if cell not in heads[a]]
    notes = _notes(variants[0], scored[0], cost)
    if missing:
        notes.append(f"Not done: {', '.join(missing)}.")
    return "\n".join([table, "", *notes]) + "\n"


def _row(
    arch: str, models: Sequence[Cell], heads: Heads, cost: Mapping[str, Mapping[str, float]]
) -> list[str]:
    own = {cell: 100 * miou(one.confusions.sum(axis=0)) for cell, one in heads[arch].items()}
    if not own:
        return [arch, *["-"] * (len(models) + 5)]
    costs = ["-"] * 3
    if arch in cost:
        values = (cost[arch]["parameters"] / 1e6, cost[arch]["time"], cost[arch]["memory"])
        costs = [f"{value:.2f}" for value in values]
    scores = [f"{own[cell]:.2f}" if cell in own else "-" for cell in models]
    gap = difference(heads, arch)
    told = "-"
    if gap is not None:
        value, low, high = (100 * x for x in (gap.miou.value, gap.miou.low, gap.miou.high))
        ends = f"too few {gap.unit}" if gap.too_few else f"{low:+.2f}, {high:+.2f}"
        told = f"{value:+.2f} [{ends}]"
    return [arch, *costs, f"{sum(own.values()) / len(own):.2f}", *scores, told]


def difference(heads: Heads, arch: str) -> Comparison | None:
    """Compare the reference with an architecture over the seeds that both have; None where there is none."""
    both = [cell for cell in heads[arch] if cell in heads.get(REFERENCE, {})]
    if not both or arch == REFERENCE:
        return None
    reference, other = (np.stack([heads[a][c].confusions for c in both]) for a in (REFERENCE, arch))
    return compare(
        reference, other, groups=heads[arch][both[0]].groups, resamples=RESAMPLES, confidence=CONFIDENCE, seed=0,
        over_seeds=True,
    )  # fmt: skip


def _notes(variant: Variant, first: Scores, cost: Mapping[str, Any]) -> list[str]:
    params = variant.params
    unit, index = resampling_units(first.groups)
    units, least = int(index.max()) + 1, least_units(CONFIDENCE)
    intervals = (
        f"{RESAMPLES} paired resamples of {units} {unit} ({len(first.ids)} test images), widened by the spread of the "
        "seeds"
    )
    if units < least:
        intervals = shortage_words(units, unit, least)
    classes = int((first.confusions.sum(axis=(0, 2)) > 0).sum())
    ratios = f" Time and memory of a step are ratios to {next(iter(cost))}." if cost else ""
    return [
        f"Recipe of all: backbone {params.model.backbone}, steps {params.train.steps}, batch {params.train.batch_size}"
        f", crop {list(params.data.crop_size)}, loss {params.train.loss}.{ratios}",
        f"Intervals: {intervals}. The mIoU is over {classes} classes.",
    ]
