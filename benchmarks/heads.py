"""Which head is best? Every architecture and seed trained alike on prepared data, and a table of what came out.

    python -m benchmarks.heads --data data/prepare --params params.yaml --seeds 0 1 2 --set train.steps=2000

Each cell, an architecture and a seed, is trained as the stage `train` does, in a folder of its own:

| file | what |
|---|---|
| ARCH-SEED/record.json | the params of the cell; where they have changed, the cell is trained anew |
| ARCH-SEED/checkpoint/ | where a cell that was killed goes on |
| ARCH-SEED/weights.safetensors, model.json, metrics.jsonl, metrics.json, val_scores.json | as the stage writes them |
| ARCH-SEED/test.npz | a confusion matrix per test image, whole images at their own size |
| ARCH-SEED/cell.json | parameters and scores; its presence says that the cell is done |
| cost.json | time and memory of a training step over those of ocrnet |
| table.md | the table, which `--table` makes again from the files above |
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from benchmarks.heads_cells import Cell, measure_cost, run_cell
from benchmarks.heads_table import COST_FILE, REFERENCE, TABLE_FILE, make_table
from ocrnet.config import Params
from ocrnet.config.params_file import load_params, parse_params
from ocrnet.errors import OcrnetError, ParamsError
from ocrnet.models import ARCHS
from ocrnet.preflight.names import check_component_names

COST_ROUNDS = 10


def read_params(path: Path, overrides: Sequence[str]) -> Params:
    """Read params from a file, with some keys replaced, each written as KEY=VALUE with a value in YAML.

    Raises:
        ParamsError: with one line per wrong key or value.
    """
    values = load_params(path).model_dump(by_alias=True)
    for override in overrides:
        key, equals, text = override.partition("=")
        *sections, last = key.split(".")
        place = values
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None  # type: ignore[assignment]
        if not equals or not isinstance(place, dict):
            raise ParamsError(
                f"--set {override}: {key} is no key of {path}. Write it as train.lr=0.01."
            )
        try:
            place[last] = YAML(typ="safe").load(text)
        except YAMLError as error:
            raise ParamsError(f"--set {override}: not YAML: {' '.join(str(error).split())}") from None  # fmt: skip
    return parse_params(values, place=path.name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.heads", description=(__doc__ or "").partition("\n")[0]
    )
    add = parser.add_argument
    add("--data", type=Path, default=Path("data/prepare"), help="a folder of prepared data")
    add("--params", type=Path, default=Path("params.yaml"), help="the recipe")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="replace one of the params")
    add("--out", type=Path, default=Path(".state/studies/heads"), help="where all is written")
    add("--archs", nargs="+", default=list(ARCHS), choices=list(ARCHS), metavar="ARCH")
    add("--seeds", nargs="+", default=[0, 1, 2], type=int, metavar="SEED")
    add("--rounds", type=int, default=COST_ROUNDS, help="steps per architecture that are timed")
    add("--table", action="store_true", help="only make the table again")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study and return the exit code."""
    # As the stages do it, see `pipelines._stage.run`; read when torch is first imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("ocrnet").setLevel(logging.WARNING)  # each cell's metrics are in its folder
    logging.captureWarnings(capture=True)
    given = _parser().parse_args(argv)
    try:
        if not given.table:
            _run(given)
        table = make_table(given.out, archs=given.archs, seeds=given.seeds)
    except OcrnetError as error:
        print(f"benchmarks.heads: {error}", file=sys.stderr)
        return error.exit_code
    (given.out / TABLE_FILE).write_text(table)
    print(table, end="")
    return 0


def _run(given: argparse.Namespace) -> None:
    params = read_params(given.params, given.set)
    cells = [
        Cell(arch, seed, _with_arch(params, arch), given.data, given.out / f"{arch}-{seed}")
        for seed in given.seeds
        for arch in given.archs
    ]
    for cell in cells[: len(given.archs)]:
        check_component_names(cell.params)
    for cell in cells:
        run_cell(cell)
    # A stable sort: the reference comes first, for all costs are ratios to the first one's.
    measured = sorted(cells[: len(given.archs)], key=lambda cell: cell.arch != REFERENCE)
    measure_cost(measured, given.out / COST_FILE, rounds=given.rounds)


def _with_arch(params: Params, arch: str) -> Params:
    return params.model_copy(update={"model": params.model.model_copy(update={"arch": arch})})


if __name__ == "__main__":
    sys.exit(main())
