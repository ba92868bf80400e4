"""What the studies of baselines share: one recipe, one key that differs from variant to variant, and seeds."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.low_data_variants import parse_setting
from benchmarks.study import Variant
from ocrnet.config.arms import BASELINE
from ocrnet.config.params_file import load_params
from ocrnet.evaluation.scoring import Cell
from ocrnet.preflight.names import check_component_names
from pipelines._work_folders.values import with_values
from pipelines._work_folders.work_folder import place_data


def baseline_parser(module: str, doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of all studies of baselines.

    Args:
        module: Name of the module in `benchmarks`.
        doc: Its docstring, whose first line describes the study.
    """
    parser = argparse.ArgumentParser(
        f"python -m benchmarks.{module}", description=(doc or "").partition("\n")[0]
    )
    add, out = parser.add_argument, Path(".state/studies") / module
    add("--data", type=Path, help="Folder of the raw set (default: data.path of the params)")
    add("--params", type=Path, default=Path("params.yaml"), help="Params with the recipe")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="Replace one of the params")
    add("--out", type=Path, default=out, help="Folder of all results")
    add("--seeds", nargs="+", default=[0, 1, 2], type=int, metavar="SEED")
    add("--table", action="store_true", help="Only make the table again")
    return parser


def read_baselines(
    given: argparse.Namespace, key: str, values: Sequence[str], *, place: str
) -> tuple[list[Variant], Path]:
    """Return a variant for each value of a key, named by it, and the folder of the raw set.

    Args:
        given: Options of `baseline_parser`.
        key: Param that differs.
        values: Its values.
        place: Option that gave the values, for messages.

    Raises:
        ParamsError: with one line per wrong key or value.
    """
    params = with_values(load_params(given.params), {"seeds": given.seeds}, place="--seeds")
    params = with_values(params, dict(map(parse_setting, given.set)), place="--set")
    params, raw = place_data(params, given.data)
    models = tuple(Cell(BASELINE, seed) for seed in given.seeds)
    variants = [
        Variant(value, with_values(params, {key: value}, place=place), models, given.out)
        for value in values
    ]
    for variant in variants:
        check_component_names(variant.params)
    return variants, raw
