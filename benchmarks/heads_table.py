"""The table of `benchmarks.heads`, from the files that its cells leave: no model is needed to make it again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.markdown import markdown_table
from ocrnet.errors import DataError
from ocrnet.evaluation.bootstrap import Comparison, compare, resampling_units
from ocrnet.evaluation.intervals import least_units, shortage_words
from ocrnet.record import RECORD_FILE

REFERENCE = "ocrnet"
CELL_FILE = "cell.json"
TEST_FILE = "test.npz"
COST_FILE = "cost.json"
TABLE_FILE = "table.md"
RESAMPLES = 10_000
CONFIDENCE = 0.95
RECIPE = {
    "model.backbone": "backbone",
    "train.steps": "steps",
    "train.batch_size": "batch",
    "data.crop_size": "crop",
    "train.loss": "loss",
}


@dataclass(frozen=True)
class Scored:
    """A cell that is done.

    Args:
        parameters: how many the model has.
        miou: on the test split.
        confusions: one matrix per test image.
        ids: of these images.
        groups: of these images.
        params: what it was trained with, by dotted names.
    """

    parameters: int
    miou: float
    confusions: NDArray[np.int64]
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    params: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Scored | None":
        """Read a cell's folder; None where it is not done."""
        if not (folder / CELL_FILE).exists():
            return None
        cell = json.loads((folder / CELL_FILE).read_text())
        params = json.loads((folder / RECORD_FILE).read_text())["params"]
        with np.load(folder / TEST_FILE) as test:
            ids, groups = (tuple(map(str, test[name])) for name in ("ids", "groups"))
            confusions = test["confusions"]
        return cls(cell["parameters"], cell["miou"], confusions, ids, groups, params)


Cells = Mapping[tuple[str, int], Scored]


def make_table(out: Path, *, archs: Sequence[str], seeds: Sequence[int]) -> str:
    """Return the table of the cells that are done, as Markdown.

    Raises:
        DataError: none is done, or they were scored on different images.
    """
    cells = {
        (arch, seed): scored
        for arch in archs
        for seed in seeds
        if (scored := Scored.read(out / f"{arch}-{seed}")) is not None
    }
    if not cells:
        raise DataError(f"{out}: no cell of {', '.join(archs)} is done. Run without --table first.")
    first = next(iter(cells.values()))
    for (arch, seed), cell in cells.items():
        if (cell.ids, cell.groups) != (first.ids, first.groups):
            raise DataError(
                f"{out / f'{arch}-{seed}'}: scored on other images than the rest. Run without --table."
            )
    path = out / COST_FILE
    cost = json.loads(path.read_text()) if path.exists() else {}
    rows = [_row(arch, seeds, cells, cost) for arch in archs]
    head = [
        "head", "params (M)", "time of a step", "peak memory of a step", "test mIoU (%)",
        *(f"seed {seed}" for seed in seeds), f"{REFERENCE} minus this, {CONFIDENCE:.0%} interval",
    ]  # fmt: skip
    table = markdown_table([head, *rows])
    missing = [f"{a}-{s}" for a in archs for s in seeds if (a, s) not in cells]
    notes = [*_notes(first, cost), *([f"Not done: {', '.join(missing)}."] * bool(missing))]
    return "\n".join([table, "", *notes]) + "\n"


def _row(
    arch: str, seeds: Sequence[int], cells: Cells, cost: Mapping[str, Mapping[str, float]]
) -> list[str]:
    own = {seed: cells[arch, seed] for seed in seeds if (arch, seed) in cells}
    if not own:
        return [arch, *["-"] * (len(seeds) + 5)]
    parameters = next(iter(own.values())).parameters
    ratios = [f"{cost[arch][name]:.2f}" if arch in cost else "-" for name in ("time", "memory")]
    scores = [f"{100 * own[seed].miou:.2f}" if seed in own else "-" for seed in seeds]
    mean = 100 * sum(cell.miou for cell in own.values()) / len(own)
    gap = difference(cells, arch, seeds)
    told = "-"
    if gap is not None:
        value, low, high = (100 * x for x in (gap.miou.value, gap.miou.low, gap.miou.high))
        ends = f"too few {gap.unit}" if gap.too_few else f"{low:+.2f}, {high:+.2f}"
        told = f"{value:+.2f} [{ends}]"
    return [arch, f"{parameters / 1e6:.2f}", *ratios, f"{mean:.2f}", *scores, told]


def difference(cells: Cells, arch: str, seeds: Sequence[int]) -> Comparison | None:
    """Compare the reference with an architecture over the seeds that both have; None where there is none."""
    both = [seed for seed in seeds if (arch, seed) in cells and (REFERENCE, seed) in cells]
    if not both or arch == REFERENCE:
        return None
    reference, other = (np.stack([cells[a, s].confusions for s in both]) for a in (REFERENCE, arch))
    groups = cells[arch, both[0]].groups
    return compare(
        reference, other, groups=groups, resamples=RESAMPLES, confidence=CONFIDENCE, seed=0,
        over_seeds=True,
    )  # fmt: skip


def _notes(first: Scored, cost: Mapping[str, Any]) -> list[str]:
    recipe = ", ".join(f"{word} {first.params[key]}" for key, word in RECIPE.items())
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
        f"Recipe of all: {recipe}.{ratios}",
        f"Intervals: {intervals}. The mIoU is over {classes} classes.",
    ]
