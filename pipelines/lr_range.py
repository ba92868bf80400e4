"""Learning-rate range test: `python -m pipelines.lr_range` after `prepare`.

It trains the segmenter of `params.yaml` for some steps at rising learning rates, writes the losses as a table and a
chart, and suggests a value for `train.lr`: the rate at which the smoothed loss falls most steeply. It changes no
params.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocrnet.config.params_file import load_params
from ocrnet.errors import ParamsError
from pipelines._command.arguments import Parser, path_argument
from pipelines._command.exit_codes import command
from pipelines._stage.stage import set_up_logging

if TYPE_CHECKING:
    from ocrnet.training.lr_range import Point

PREPARED = Path("data/prepare")
TABLE, CHART = "lr_range.csv", "lr_range.png"
FEWEST_STEPS = 10


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = Parser(
        prog="python -m pipelines.lr_range",
        description="Train at rising learning rates and suggest a value for train.lr.",
    )
    found.add_argument(
        "--low", type=float, default=1e-5, help="Learning rate of the first step (default: 1e-5)"
    )
    found.add_argument(
        "--high", type=float, default=1.0, help="Learning rate of the last step (default: 1)"
    )
    found.add_argument(
        "--steps", type=int, default=100, help="Number of optimizer steps (default: 100)"
    )
    found.add_argument(
        "--seed",
        type=int,
        help="Random seed of weights and batches (default: the first of seeds in params.yaml)",
    )
    found.add_argument(
        "--out",
        type=path_argument,
        default=Path(".state/lr_range"),
        metavar="FOLDER",
        help="Folder for the table and the chart (default: .state/lr_range)",
    )
    return found


def lr_range(argv: Sequence[str]) -> str:
    """Run the command and return what it prints.

    Raises:
        ParamsError: An argument or a parameter is wrong.
        DataError: The prepared data cannot be used.
        TrainError: The loss is not finite from the beginning.
    """
    given = parser().parse_args(argv)
    if not 0 < given.low < given.high < float("inf"):
        raise ParamsError(
            f"--low, --high: found {given.low:g} and {given.high:g}. Give 0 < --low < --high."
        )
    if given.steps < FEWEST_STEPS:
        raise ParamsError(f"--steps: found {given.steps}. Give {FEWEST_STEPS} or more.")
    params = load_params(Path("params.yaml"))
    from ocrnet.training.data import TrainingData
    from ocrnet.training.lr_range import range_test, remark, suggested_rate

    points = range_test(
        params, TrainingData.read(PREPARED),
        seed=params.seeds[0] if given.seed is None else given.seed,
        low=given.low, high=given.high, steps=given.steps,
    )  # fmt: skip
    suggested = suggested_rate(points)
    _write(given.out, points, suggested)
    lowest = min(points, key=lambda point: point.smooth)
    doubt = remark(points, high=given.high)
    return (
        f"{len(points)} of {given.steps} steps; the loss is lowest, {lowest.smooth:.4f}, at rate {lowest.rate:.2g}\n"
        f"suggested train.lr: {suggested:.2g}, where it falls most steeply{f' ({doubt})' if doubt else ''}\n"
        f"{given.out / TABLE}, {given.out / CHART}"
    )


def _write(folder: Path, points: "list[Point]", suggested: float) -> None:
    from ocrnet.report.lr_chart import draw_range_test

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TABLE).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("rate", "loss", "smoothed_loss"))
        writer.writerows([f"{value:.6g}" for value in point] for point in points)
    rates, losses, smoothed = zip(*points, strict=True)
    draw_range_test(rates, losses, smoothed, suggested=suggested).save(folder / CHART)


@command("lr_range")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    set_up_logging()
    print(lr_range(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
