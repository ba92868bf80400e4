"""Do GAN pairs help with little data? Every arm at some fractions of the training images, and a table of what came out.

    python -m benchmarks.low_data --data data/raw/camvid --out .state/studies/low_data --size 120 160 \
        --fractions 0.1 0.25 --seeds 0 1 2 --set train.steps=400

For each fraction the data is prepared, the baselines and one GAN are trained, pairs are painted and selected, and every
arm is retrained with equal steps; a fraction keeps one contiguous stretch of each drive. `--variants` tries other
settings at one fraction.

| file | what |
|---|---|
| cells/NAME-KEY/ | the output of one stage, see `benchmarks.low_data_cells`; killed, the study goes on where it was |
| table.md | per fraction, and per variant, each arm with its seeds and differences |
| curve.json, curve.html | the learning curve |
"""

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.low_data_cells import Cell, hash_raw, locked, run_cell, write_json
from benchmarks.low_data_curve import curve_of
from benchmarks.low_data_groups import Group
from benchmarks.low_data_page import make_page
from benchmarks.low_data_scores import score_cell
from benchmarks.low_data_table import make_table
from benchmarks.low_data_variants import (
    VARIANTS,
    parse_setting,
    read_values,
    with_values,
    words_of,
)
from ocrnet.config import Params
from ocrnet.config.arms import ARMS, BASELINE
from ocrnet.config.params_file import load_params
from ocrnet.errors import DataError, OcrnetError
from ocrnet.preflight.names import check_component_names

TABLE_FILE, CURVE_FILE, PAGE_FILE = "table.md", "curve.json", "curve.html"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.low_data", description=(__doc__ or "").partition("\n")[0]
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="the raw set")
    add("--out", type=Path, default=Path(".state/studies/low_data"), help="where all is written")
    add("--params", type=Path, default=Path("params.yaml"), help="the params")
    add(
        "--dataset",
        type=Path,
        default=Path("params/camvid.yaml"),
        help="dotted keys of the set, put into them",
    )
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="replace one of the params")
    add("--size", nargs=2, type=int, metavar=("H", "W"), help="prepare.resize")
    add("--fractions", nargs="+", type=float, default=[0.1, 0.25], metavar="F")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED")
    add("--arms", nargs="+", default=[BASELINE, *ARMS], choices=[BASELINE, *ARMS], metavar="ARM")
    add(
        "--variants",
        nargs="*",
        default=[],
        choices=list(VARIANTS),
        metavar="NAME",
        help=f"tries at one fraction, with the same arms: {', '.join(VARIANTS)}",
    )
    add(
        "--variant-fraction",
        type=float,
        metavar="F",
        help="of the tries; the first of --fractions by default",
    )
    add("--table", action="store_true", help="only make table and curve again")
    return parser  # fmt: skip


def read_params(given: argparse.Namespace) -> Params:
    """Return the params of the study at all images: the file, the set's keys, the options, in this order.

    Raises:
        ParamsError: with one line per wrong key or value.
    """
    params = with_values(load_params(given.params), read_values(given.dataset), place=str(given.dataset))  # fmt: skip
    arms = [arm for arm in given.arms if arm != BASELINE]
    options = {"data.path": str(given.data), "seeds": list(given.seeds)}
    if arms:
        options["retrain.arms"] = arms
    if given.size:
        options["prepare.resize"] = list(given.size)
    params = with_values(params, options, place="options")
    params = with_values(params, dict(map(parse_setting, given.set)), place="--set")
    check_component_names(params)
    return params


def group_of(name: str, params: Params, *, arms: Sequence[str], cells: Path, raw: str) -> Group:
    """Return the models of a fraction or a variant, as cells that know what they read."""
    seeds = params.seeds
    prepare = Cell("prepare", params, cells, raw=raw)
    data = ("prepare", prepare)
    train = {seed: Cell("train", params, cells, (data,), seed=seed) for seed in seeds}
    judge = ("train", train[seeds[0]])
    gan = ("train_gan", Cell("train_gan", params, cells, (data,)))
    made = ("synthesize", Cell("synthesize", params, cells, (data, judge, gan)))
    select = Cell("select", params, cells, (data, judge, gan, made), seed=seeds[0])
    places = {"prepare": data, "synthesize": made, "select": ("select", select)}
    models = {}
    for seed in seeds:
        for arm in arms:
            if arm == BASELINE:
                models[arm, seed] = train[seed]
                continue
            extra = places[Path(ARMS[arm].folder).parts[0]]
            reads = tuple(dict([data, extra]).items())
            models[arm, seed] = Cell("retrain", params, cells, reads, arm=arm, seed=seed)
    return Group(name, models, select)


def _groups(given: argparse.Namespace) -> tuple[dict[float, Group], list[tuple[Group, str]]]:
    params = read_params(given)
    if not given.data.is_dir():
        raise DataError(f"{given.data}: no such folder. Name that of the raw set with --data.")
    raw, cells = hash_raw(given.data), given.out / "cells"

    def group(name: str, own: Params) -> Group:
        return group_of(name, own, arms=given.arms, cells=cells, raw=raw)

    def at(fraction: float) -> Params:
        return with_values(params, {"prepare.train_fraction": fraction}, place="--fractions")

    fractions = {f: group(f"{100 * f:g} %", at(f)) for f in given.fractions}
    base = at(given.variant_fraction or given.fractions[0])
    variants = [
        (group(name, with_values(base, VARIANTS[name](base), place=name)), words_of(name, base))
        for name in given.variants
    ]
    return fractions, variants


def _ordered(groups: Sequence[Group]) -> Iterator[Cell]:
    """Yield the models group by group, all arms of a seed before the next one: a table of one seed comes early."""
    for group in groups:
        yield from group.models.values()


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
    with locked(out / "cells", "results"):
        (out / TABLE_FILE).write_text(table)
        write_json(out / CURVE_FILE, curve)
        (out / PAGE_FILE).write_text(make_page(curve))
    return table


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study and return the exit code."""
    # As the stages do it, see `pipelines._stage.run`; read when torch is first imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("ocrnet").setLevel(logging.WARNING)  # each cell's metrics are in its folder
    logging.captureWarnings(capture=True)
    given = _parser().parse_args(argv)
    try:
        fractions, variants = _groups(given)
        if not given.table:
            for cell in _ordered([*fractions.values(), *(group for group, _ in variants)]):
                run_cell(cell)
                score_cell(cell)
        table = _write(given, fractions, variants)
    except OcrnetError as error:
        print(f"benchmarks.low_data: {error}", file=sys.stderr)
        return error.exit_code
    print(table, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
