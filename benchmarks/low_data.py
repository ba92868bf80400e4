"""Do GAN pairs help with little data? Every arm at some fractions of the training images, and a table of the scores.

    python -m benchmarks.low_data --data data/raw/camvid --out .state/studies/low_data --size 120 160 \
        --fractions 0.1 0.25 --seeds 0 1 2 --set train.steps=400

A fraction keeps one contiguous stretch of each drive. Each fraction runs through the pipeline by DVC, see
`benchmarks.study`; every arm is retrained with equal steps. `--variants` tries other settings at one fraction.

| file | what |
|---|---|
| work/NAME-KEY/ | the work folder of a fraction or a variant |
| table.md | per fraction, and per variant, each arm with its seeds and differences |
| curve.json, curve.html | the learning curve |
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.low_data_curve import curve_of
from benchmarks.low_data_groups import Group
from benchmarks.low_data_page import make_page
from benchmarks.low_data_table import make_table
from benchmarks.low_data_variants import (
    VARIANTS,
    parse_setting,
    read_values,
    words_of,
)
from benchmarks.study import run_variants
from ocrnet.config import Params
from ocrnet.config.arms import ARMS, BASELINE, JOIN, uses_unlabelled
from ocrnet.config.params_file import load_params
from ocrnet.data.files import write_whole
from ocrnet.evaluation.scoring import Cell
from ocrnet.preflight.names import check_component_names
from pipelines._command.exit_codes import command
from pipelines._work_folders.values import with_values
from pipelines._work_folders.work_folder import place_data

TABLE_FILE, CURVE_FILE, PAGE_FILE = "table.md", "curve.json", "curve.html"
LABELLED = [arm for arm in ARMS if not uses_unlabelled(arm)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.low_data", description=(__doc__ or "").partition("\n")[0]
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="Folder of the raw set")
    add("--out", type=Path, default=Path(".state/studies/low_data"), help="Folder of all results")
    add("--params", type=Path, default=Path("params.yaml"), help="Params of the study")
    add(
        "--dataset",
        type=Path,
        default=Path("params/camvid.yaml"),
        help="File with dotted keys of the data set, which override --params",
    )
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="Replace one of the params")
    add("--size", nargs=2, type=int, metavar=("H", "W"), help="Size of the images (prepare.resize)")
    add(
        "--fractions",
        nargs="+",
        type=float,
        default=[0.1, 0.25],
        metavar="F",
        help="Shares of the training images",
    )
    add(
        "--seeds",
        nargs="+",
        type=int,
        default=[0, 1, 2],
        metavar="SEED",
        help="Seeds of the trainings",
    )
    add(
        "--arms",
        nargs="+",
        default=[BASELINE, *LABELLED],
        choices=[BASELINE, *ARMS, *(f"{arm}{JOIN}mean_teacher" for arm in LABELLED)],
        metavar="ARM",
        help="Arms to compare (default: those without unlabelled images)",
    )
    add(
        "--variants",
        nargs="*",
        default=[],
        choices=list(VARIANTS),
        metavar="NAME",
        help=f"Variants to try at one fraction, with the same arms: {', '.join(VARIANTS)}",
    )
    add(
        "--variant-fraction",
        type=float,
        metavar="F",
        help="Fraction of the variants (default: the first of --fractions)",
    )
    add("--table", action="store_true", help="Only make table, curve and page again")
    return parser  # fmt: skip


def read_params(given: argparse.Namespace) -> Params:
    """Return the params of the study at all images: the file, the set's keys, the options, in this order.

    Raises:
        ParamsError: with one line per wrong key or value.
    """
    params = with_values(load_params(given.params), read_values(given.dataset), place=str(given.dataset))  # fmt: skip
    arms = [arm for arm in given.arms if arm != BASELINE]
    options: dict[str, Any] = {
        "data.path": str(given.data), "seeds": list(given.seeds), "prepare.train_fraction": given.fractions[0],
    }  # fmt: skip
    if arms:
        options["retrain.arms"] = arms
    if given.size:
        options["prepare.resize"] = list(given.size)
    settings = dict(map(parse_setting, given.set))
    params = with_values(params, settings, place="--set")  # arms may need them
    params = with_values(params, options, place="options")
    params = with_values(params, settings, place="--set")
    check_component_names(params)
    return params


def _groups(
    given: argparse.Namespace, params: Params
) -> tuple[dict[float, Group], list[tuple[Group, str]]]:
    models = tuple(Cell(arm, seed) for seed in given.seeds for arm in given.arms)

    def at(fraction: float) -> Params:
        return with_values(params, {"prepare.train_fraction": fraction}, place="--fractions")

    fractions = {f: Group(f"{100 * f:g} %", at(f), models, given.out) for f in given.fractions}
    base = at(given.variant_fraction or given.fractions[0])
    variants = [
        (Group(name, with_values(base, VARIANTS[name](base), place=name), models, given.out), words_of(name, base))
        for name in given.variants
    ]  # fmt: skip
    return fractions, variants


def _write(
    given: argparse.Namespace,
    fractions: dict[float, Group],
    variants: Sequence[tuple[Group, str]],
) -> str:
    out: Path = given.out
    settings: dict[str, Any] = {"dataset": given.dataset.name}
    if given.size:
        settings["prepare.resize"] = list(given.size)
    settings |= dict(map(parse_setting, given.set))
    table = make_table(list(fractions.values()), variants)
    curve = curve_of(fractions, settings)
    write_whole(out / TABLE_FILE, table)
    write_whole(out / CURVE_FILE, json.dumps(curve, indent=1) + "\n")
    write_whole(out / PAGE_FILE, make_page(curve))
    return table


@command("benchmarks.low_data")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the study and return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    given = _parser().parse_args(argv)
    params, raw = place_data(read_params(given))
    fractions, variants = _groups(given, params)
    if not given.table:
        code = run_variants([*fractions.values(), *(group for group, _ in variants)], raw)
        if code:
            return code
    print(_write(given, fractions, variants), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
