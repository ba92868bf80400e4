"""Score one bundle, or several as an ensemble: `python -m pipelines.score data/train/0 --split val --flip`.

It prints IoU per class with its interval, boundary IoU and calibration, the scores of objects if the set has
`data.things`, and writes them as JSON to `--out`. The
result is the same for any number of processes.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ocrnet.config import EvaluateParams
from ocrnet.errors import ParamsError
from pipelines._command.arguments import Parser, path_argument
from pipelines._command.exit_codes import command

MOST_PROCESSES = 8  # the default limit: each process holds a copy of the model


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments; by default the whole image is scored once."""
    modes = EvaluateParams.model_fields["merge"].annotation
    known = getattr(modes, "__args__", ())
    found = Parser(
        prog="python -m pipelines.score",
        description="Score one bundle, or several as an ensemble, on prepared data.",
    )
    found.add_argument(
        "bundles",
        nargs="+",
        type=path_argument,
        metavar="BUNDLE",
        help="Folder of a trained segmenter; several are scored as an ensemble",
    )
    found.add_argument(
        "--data",
        type=path_argument,
        default=Path("data/prepare"),
        help="Prepared set with the images (default: data/prepare)",
    )
    found.add_argument(
        "--split",
        choices=("train", "val", "test"),
        default="test",
        help="Split that is scored (default: test)",
    )
    found.add_argument(
        "--window",
        nargs=2,
        type=int,
        metavar=("H", "W"),
        help="Height and width of a sliding window in pixels (default: the whole image)",
    )
    found.add_argument(
        "--overlap",
        type=float,
        default=0.33,
        help="Overlap of neighbouring windows as a share of a window, in [0, 1) (default: 0.33)",
    )
    found.add_argument(
        "--window-weights",
        choices=("uniform", "gaussian"),
        default="uniform",
        help="How much the pixels of a window count where windows overlap (default: uniform)",
    )
    found.add_argument(
        "--scales",
        nargs="+",
        type=float,
        default=(1.0,),
        metavar="S",
        help="Sizes at which each image is scored, relative to its own size (default: 1)",
    )
    found.add_argument("--flip", action="store_true", help="Also score the mirrored image")
    found.add_argument(
        "--merge",
        choices=known,
        default="softmax_mean",
        help="Way of merging windows, scales and mirrored images (default: softmax_mean)",
    )
    found.add_argument(
        "--min-object-area",
        type=int,
        default=1,
        metavar="PIXELS",
        help="Area of the smallest predicted object that counts, in sets with data.things (default: 1)",
    )
    found.add_argument(
        "--processes", type=int, help="Number of processes (default: one per core, on CUDA one)"
    )
    found.add_argument(
        "--out", type=path_argument, metavar="FILE.json", help="JSON file for the scores"
    )
    found.add_argument(
        "--device", help="Device: cpu, cuda or cuda:N (default: CUDA if there is a GPU)"
    )
    return found


def score(argv: Sequence[str]) -> str:
    """Run the command and return what it prints.

    Raises:
        ParamsError: An argument is wrong.
        BundleError: A bundle cannot be used.
        DataError: The data cannot be used.
    """
    given = parser().parse_args(argv)
    from ocrnet.evaluation.score_bundles import score_bundles
    from ocrnet.inference.scoring_protocol import ScoringProtocol

    protocol = ScoringProtocol(
        window=None if given.window is None else tuple(given.window),
        overlap=given.overlap,
        scales=tuple(given.scales),
        flip=given.flip,
        merge=given.merge,
        window_weights=given.window_weights,
    )
    device = _device(given.device)
    processes = _default_processes(device) if given.processes is None else given.processes
    if processes < 1:
        raise ParamsError(f"--processes: found {processes}. Give 1 or more.")
    if given.min_object_area < 1:
        raise ParamsError(f"--min-object-area: found {given.min_object_area}. Give 1 or more.")
    found = score_bundles(
        given.bundles, given.data,
        split=given.split, protocol=protocol, device=device, processes=processes,
        min_object_area=given.min_object_area,
    )  # fmt: skip
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n")
    return found.to_text()


def _device(name: str | None) -> str:
    import torch

    from ocrnet.runtime import pick_device

    if name is None:
        return str(pick_device())
    known = ["cpu", "cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if not torch.cuda.is_available():
        known = ["cpu"]
    if name not in known:
        raise ParamsError(f"--device: found {name!r}. Give one of: {', '.join(known)}.")
    return name


def _default_processes(device: str) -> int:
    if device != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, MOST_PROCESSES)


@command("score")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    print(score(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
