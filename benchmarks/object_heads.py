"""Which way to objects is best? A semantic model, both kinds of instance heads, and a table of AP50, AP and PQ.

    python -m pipelines.activate nuclei
    python -m benchmarks.object_heads --data data/raw/nuclei --seeds 0 1 2 --min-object-area 10

Each kind of `model.instances` runs through the pipeline by DVC up to the stage `train`, see `benchmarks.study`. The
objects of each model are then found in three ways, see `benchmarks.object_rivals`: by its heads, as connected
components, and by a watershed. A run that was stopped goes on where it was.

| file | what |
|---|---|
| work/KIND-KEY/ | the work folder of a kind |
| table.md | the table, over all seeds that are trained |
"""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.baseline_study import baseline_parser, read_baselines
from benchmarks.markdown import markdown_table
from benchmarks.object_rivals import COMPONENTS, HEADS, WATERSHED, score_ways
from benchmarks.study import Variant, run_variants
from ocrnet.data.files import write_whole
from ocrnet.errors import DataError
from ocrnet.evaluation.object_bootstrap import Ends, compare_counts
from ocrnet.evaluation.scored_split import read_test_split
from ocrnet.inference.predict import load_segmenter
from ocrnet.models import INSTANCES, NO_HEADS
from ocrnet.objects.curves import unit_counts
from ocrnet.objects.summary import ObjectTally
from pipelines._command.exit_codes import command

TABLE_FILE = "table.md"
RIVALS = ((NO_HEADS, COMPONENTS), (NO_HEADS, WATERSHED))  # what the heads are held against
Rows = Mapping[tuple[str, str], Mapping[int, ObjectTally]]  # by kind and way, then by seed


def _parser() -> argparse.ArgumentParser:
    parser = baseline_parser("object_heads", __doc__)
    add = parser.add_argument
    add("--kinds", nargs="+", default=list(INSTANCES), choices=list(INSTANCES), metavar="KIND")
    add("--min-object-area", type=int, default=1, help="Pixels of the smallest predicted object")
    return parser


def read_variants(given: argparse.Namespace) -> tuple[list[Variant], Path]:
    """Return a variant per kind of heads, and the folder of the raw set.

    Raises:
        ParamsError: with one line per wrong key or value.
    """
    return read_baselines(given, "model.instances", given.kinds, place="--kinds")


def tally_objects(variants: Sequence[Variant], *, min_area: int) -> Rows:
    """Find and match the objects of the models that are trained.

    Raises:
        DataError: no model is trained.
    """
    rows: dict[tuple[str, str], dict[int, ObjectTally]] = {}
    for variant in variants:
        for cell in variant.models:
            bundle = cell.folder(variant.data)
            if not bundle.exists():
                continue
            split = read_test_split(variant.data / "prepare")
            for way, tally in score_ways(split, load_segmenter(bundle), min_area=min_area).items():
                if (variant.name, way) != (NO_HEADS, HEADS):  # the same as its components
                    rows.setdefault((variant.name, way), {})[cell.seed] = tally
    if not rows:
        raise DataError(f"{variants[0].root}: no model is trained. Run without --table first.")
    return rows


def make_table(rows: Rows, variants: Sequence[Variant]) -> str:
    """Return means over seeds as Markdown, and the difference in AP50 of each way to its rivals."""
    heads = [
        f"AP50 minus {way} of a model with model.instances {kind} (points)" for kind, way in RIVALS
    ]
    table = [[
        "model.instances", "objects by", "seeds", "AP50 (%)", "AP (%)", "PQ (%)", "error of the count", *heads,
    ]]  # fmt: skip
    for (kind, way), tallies in rows.items():
        found = [tally.summary for tally in tallies.values()]
        means = [
            f"{100 * np.mean([one[key] for one in found]):.1f}" for key in ("ap50", "ap", "pq")
        ]
        errors = f"{np.mean([one['count_error'] for one in found]):.1f}"
        gaps = [_gap(rows, (kind, way), rival, variants[0]) for rival in RIVALS]
        table.append([kind, way, " ".join(map(str, tallies)), *means, errors, *gaps])
    params = variants[0].params
    note = (
        f"Recipe of all: arch {params.model.arch}, backbone {params.model.backbone}, steps {params.train.steps}, batch "
        f"{params.train.batch_size}, crop {list(params.data.crop_size)}. Intervals: {params.evaluate.confidence:.0%}, "
        f"{params.evaluate.bootstrap} paired resamples of the test images, widened by the spread of the seeds."
    )
    return "\n".join([markdown_table(table, left=2), "", note]) + "\n"


def _gap(rows: Rows, own: tuple[str, str], rival: tuple[str, str], variant: Variant) -> str:
    seeds = sorted(set(rows[own]) & set(rows.get(rival, {})))
    if own == rival or not seeds:
        return "-"
    candidate, reference = (
        [unit_counts(rows[row][seed].images) for seed in seeds] for row in (own, rival)
    )
    ends: Ends = compare_counts(candidate, reference, variant.params.evaluate)["ap50"]
    value, low, high = (100 * ends[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} [{'too few images' if np.isnan(low) else f'{low:+.1f}, {high:+.1f}'}]"


@command("benchmarks.object_heads")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the study and return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    given = _parser().parse_args(argv)
    variants, raw = read_variants(given)
    if not given.table and (code := run_variants(variants, raw)):
        return code
    table = make_table(tally_objects(variants, min_area=given.min_object_area), variants)
    write_whole(given.out / TABLE_FILE, table)
    print(table, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
