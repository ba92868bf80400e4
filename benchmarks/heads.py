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

from benchmarks.heads_cost import measure_cost
from benchmarks.heads_table import COST_FILE, REFERENCE, TABLE_FILE, make_table
from benchmarks.low_data_variants import parse_setting
from benchmarks.study import Variant, run_variants
from ocrnet.config.arms import BASELINE
from ocrnet.config.params_file import load_params
from ocrnet.data.files import write_whole
from ocrnet.evaluation.scoring import Cell
from ocrnet.models import ARCHS
from ocrnet.preflight.names import check_component_names
from pipelines._command.exit_codes import command
from pipelines._work_folders.values import with_values
from pipelines._work_folders.work_folder import place_data

COST_ROUNDS = 10


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.heads", description=(__doc__ or "").partition("\n")[0]
    )
    add = parser.add_argument
    add("--data", type=Path, help="Folder of the raw set (default: data.path of the params)")
    add("--params", type=Path, default=Path("params.yaml"), help="Params with the recipe")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="Replace one of the params")
    add("--out", type=Path, default=Path(".state/studies/heads"), help="Folder of all results")
    add("--archs", nargs="+", default=list(ARCHS), choices=list(ARCHS), metavar="ARCH")
    add("--seeds", nargs="+", default=[0, 1, 2], type=int, metavar="SEED")
    add("--rounds", type=int, default=COST_ROUNDS, help="Steps per architecture that are timed")
    add("--table", action="store_true", help="Only make the table again")
    return parser


def read_variants(given: argparse.Namespace) -> tuple[list[Variant], Path]:
    """Return a variant per architecture, and the folder of the raw set.

    Raises:
        ParamsError: with one line per wrong key or value.
    """
    params = with_values(load_params(given.params), {"seeds": given.seeds}, place="--seeds")
    params = with_values(params, dict(map(parse_setting, given.set)), place="--set")
    params, raw = place_data(params, given.data)
    models = tuple(Cell(BASELINE, seed) for seed in given.seeds)
    variants = [
        Variant(arch, with_values(params, {"model.arch": arch}, place="--archs"), models, given.out)
        for arch in given.archs
    ]
    for variant in variants:
        check_component_names(variant.params)
    return variants, raw


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
