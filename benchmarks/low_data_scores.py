"""The test scores of the models of `benchmarks.low_data`, beside the cells that trained them."""

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.low_data_cells import Cell, locked, read_commit
from ocrnet.config.arms import BASELINE

logger = logging.getLogger("benchmarks.low_data")
PROTOCOL = {"window", "overlap", "scales", "flip", "merge"}  # keys of `evaluate`


@dataclass(frozen=True)
class Scored:
    """A model's scores on the test split.

    Args:
        val_miou: on the validation split.
        confusions: one matrix per test image.
        ids: of these images.
        groups: of these images.
        commit: of the code that scored it; empty where nobody noted it.
    """

    val_miou: float
    confusions: NDArray[np.int64]
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    commit: str = ""


def score_file(cell: Cell) -> Path:
    """Return the file of a model's scores; a model scored by another protocol is scored anew, not trained anew."""
    protocol = cell.params.evaluate.model_dump(mode="json", include=PROTOCOL)
    digest = hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:6]
    return cell.folder / f"test-{digest}.npz"


def score_cell(cell: Cell) -> None:
    """Score a trained cell on the test split, unless it was; another process that scores it is waited for."""
    if score_file(cell).exists():
        return
    with locked(cell.root, cell.folder.name):
        if not score_file(cell).exists():
            _score(cell)


def _score(cell: Cell) -> None:
    from ocrnet.evaluation import scoring
    from ocrnet.evaluation.evaluate import read_val_miou
    from ocrnet.inference.ensemble import load_segmenters
    from ocrnet.inference.views import Protocol
    from ocrnet.runtime import pick_device

    split = scoring.read_test_split(cell.read("prepare"))
    protocol = Protocol.of(cell.params.evaluate)
    score = scoring.score_model(
        scoring.Cell(cell.arm or BASELINE, cell.seed),
        load_segmenters(cell.folder, device=str(pick_device()), protocol=protocol),
        split=split,
        val_miou=read_val_miou(cell.folder),
        boundary_ratio=cell.params.evaluate.boundary_ratio,
    )
    unfinished = cell.folder / "test.partial.npz"
    np.savez_compressed(
        unfinished, confusions=score.confusions, val_miou=score.val_miou,
        ids=np.array(split.ids), groups=np.array(split.groups), commit=read_commit(),
    )  # fmt: skip
    unfinished.replace(score_file(cell))
    logger.info("%s: test mIoU %.4f", cell.folder.name, score.summary["miou"])


def read_scores(cell: Cell) -> Scored | None:
    """Return the scores of a cell; None where it has none yet."""
    if not score_file(cell).exists():
        return None
    with np.load(score_file(cell)) as test:
        ids, groups = (tuple(map(str, test[name])) for name in ("ids", "groups"))
        scored_by = str(test["commit"]) if "commit" in test else ""
        return Scored(float(test["val_miou"]), test["confusions"], ids, groups, scored_by)
