"""Which head is best? Every architecture and seed trained alike, and a table of the scores.

    python -m benchmarks.heads --data data/raw/camvid --seeds 0 1 2 --set train.steps=2000

Each architecture runs through the pipeline by DVC up to the stage `train`, see `benchmarks.study`.

| file | what |
|---|---|
| work/ARCH-KEY/ | the work folder of an architecture |
| cost.json | parameters, and time and memory of a training step over those of ocrnet; delete it to measure them again |
| table.md | the table, which `--table` makes again from the files above |
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.baseline_study import baseline_parser, read_baselines
from benchmarks.heads_cost import measure_cost
from benchmarks.heads_table import COST_FILE, REFERENCE, TABLE_FILE, make_table
from benchmarks.study import Variant, run_variants
from ocrnet.data.files import write_whole
from ocrnet.models import ARCHS
from pipelines._command.exit_codes import command

COST_ROUNDS = 10


def _parser() -> argparse.ArgumentParser:
    parser = baseline_parser("heads", __doc__)
    add = parser.add_argument
    add("--archs", nargs="+", default=list(ARCHS), choices=list(ARCHS), metavar="ARCH")
    add("--rounds", type=int, default=COST_ROUNDS, help="Steps per architecture that are timed")
    return parser


def read_variants(given: argparse.Namespace) -> tuple[list[Variant], Path]:
    """Return a variant per architecture, and the folder of the raw set.

    Raises:
        ParamsError: with one line per wrong key or value.
    """
    return read_baselines(given, "model.arch", given.archs, place="--archs")


@command("benchmarks.heads")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the study and return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    given = _parser().parse_args(argv)
    variants, raw = read_variants(given)
    if not given.table:
        code = run_variants(variants, raw)
        if code:
            return code
        # A stable sort: the reference comes first, for all costs are ratios to the first one's.
        ordered = sorted(variants, key=lambda variant: variant.name != REFERENCE)
        measure_cost(ordered, given.out / COST_FILE, rounds=given.rounds)
    table = make_table(variants, given.out / COST_FILE)
    write_whole(given.out / TABLE_FILE, table)
    print(table, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
