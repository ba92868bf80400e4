"""GAN-train: train a segmenter on selected pairs alone and score it on real validation images.

`python -m pipelines.score_pairs` after `select`. It takes as long as a training, so it is not a stage. It writes a
bundle with its scores into `data/gan_train/SEED`, and prints its mIoU next to that of the baseline of the seed.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ocrnet.config import Params
from ocrnet.config.params_file import load_params
from ocrnet.record import RECORD_FILE, Recorder, SilentRecorder, flatten
from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import command
from pipelines._stage.dependencies import read_node
from pipelines._stage.fingerprint import checkpoint_folder, fingerprint_of, recorded_params
from pipelines._stage.rank import rank
from pipelines._stage.stage import set_up_logging
from pipelines._stage.torchrun import run_by_torchrun

PREPARED = Path("data/prepare")
OUT = Path("data/gan_train")
RESULT_FILE = "gan_train.json"


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = Parser(
        prog="python -m pipelines.score_pairs",
        description="Train a segmenter on generated pairs alone and score it on real images.",
    )
    found.add_argument(
        "--pairs",
        type=Path,
        default=Path("data/select"),
        help="Folder with the manifest of the pairs (default: data/select)",
    )
    found.add_argument(
        "--seed",
        type=int,
        help="Random seed of the training run (default: the first of seeds in params.yaml)",
    )
    found.add_argument(
        "--steps",
        type=int,
        help="Number of optimizer steps (default: train.steps, as for the baseline)",
    )
    return found


def score_pairs(argv: Sequence[str]) -> str:
    """Run the command and return what it prints.

    Raises:
        ParamsError: An argument or a parameter is wrong.
        DataError: The data cannot be used.
    """
    given = parser().parse_args(argv)
    params = load_params(Path("params.yaml"))
    seed = params.seeds[0] if given.seed is None else given.seed
    from ocrnet.gan.quality.gan_train import with_steps

    params = with_steps(params, given.steps)
    out = OUT / str(seed)
    run_by_torchrun(
        partial(_train, params, given.pairs, seed, out), ["pipelines.score_pairs", *argv],
        section="train", processes=params.train.processes,
    )  # fmt: skip
    result = _result(params, out, Path("data/train", str(seed)), given.pairs, seed)
    (out / RESULT_FILE).write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    return _text(result)


def _train(params: Params, pairs: Path, seed: int, out: Path) -> None:
    from ocrnet.checkpoint import CheckpointStore
    from ocrnet.gan.quality.gan_train import train_on_pairs

    cell = ("gan_train", str(seed))
    node = read_node("train")  # the same recipe
    fingerprint = fingerprint_of(recorded_params(params, node), [PREPARED, pairs], cell)
    checkpoints = checkpoint_folder("gan_train", fingerprint, node)
    train_on_pairs(
        params, PREPARED, pairs, seed=seed, out=out, checkpoints=CheckpointStore(checkpoints),
        recorder=SilentRecorder() if rank() > 0 else Recorder(out),
    )  # fmt: skip


def _result(params: Params, out: Path, baseline: Path, pairs: Path, seed: int) -> dict[str, Any]:
    """Return the mIoU on real images with its provenance, and that of a baseline of the same recipe."""
    from ocrnet.data.manifest import MANIFEST_FILE, file_sha256, read_manifest

    result = {
        "pairs": pairs.as_posix(),
        "pairs_sha256": file_sha256(pairs / MANIFEST_FILE),
        "validation_images": len(read_manifest(PREPARED, split="val")),
        "validation_sha256": file_sha256(PREPARED / MANIFEST_FILE),
        "seed": seed,
        "steps": params.train.steps,
        "gan_train/mIoU": json.loads((out / "metrics.json").read_text())["val/mIoU"],
    }
    try:
        known = json.loads((baseline / RECORD_FILE).read_text())["params"]
        real = json.loads((baseline / "metrics.json").read_text())["val/mIoU"]
    except (OSError, KeyError, TypeError, ValueError):
        return {**result, "differing": None}
    own = flatten(params.model_dump(mode="json", by_alias=True, include={"model", "train"}))
    differing = sorted(key for key in own.keys() & known.keys() if own[key] != known[key])
    if not differing and real > 0:
        result |= {"gan_train/real_mIoU": real, "gan_train/ratio": result["gan_train/mIoU"] / real}
    return {**result, "differing": differing}


def _text(result: dict[str, Any]) -> str:
    line = (
        f"trained on {result['pairs']} alone, {result['steps']} steps: mIoU {result['gan_train/mIoU']:.4f} on "
        f"{result['validation_images']} real validation images"
    )
    if "gan_train/ratio" in result:
        ratio = result["gan_train/ratio"]
        return f"{line}; the baseline, trained on real images: {result['gan_train/real_mIoU']:.4f}; ratio {ratio:.2f}"
    if result["differing"]:
        names = ", ".join(result["differing"])
        return f"{line} (not compared with the baseline, which was trained with another {names})"
    return f"{line} (there is no baseline of seed {result['seed']} to compare with)"


@command("score_pairs")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    set_up_logging()
    print(score_pairs(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
