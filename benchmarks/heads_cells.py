"""One training of `benchmarks.heads`: run, gone on with, or left as it is; and what a training step costs."""

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.heads_table import CELL_FILE, TEST_FILE
from ocrnet.config import Params
from ocrnet.data.manifest import CLASSES_FILE, MANIFEST_FILE, file_sha256
from ocrnet.evaluation.bootstrap import arm_scores
from ocrnet.record import METRICS_FILE, RECORD_FILE, Recorder, flatten, write_record

if TYPE_CHECKING:
    from ocrnet.evaluation.scoring import TestSplit

logger = logging.getLogger("benchmarks.heads")
USES = ("data.crop_size", "data.value_range", "data.exif", "prepare.resize", "model", "train")
QUIET = frozenset({"train.workers", "train.checkpoint_interval"})  # no output depends on them
PROTOCOL = {"window", "overlap", "scales", "flip", "merge"}  # keys of `evaluate`
ENDLESS = {"steps": 10**9, "val_interval": 10**9, "log_interval": 10**9, "workers": 0}


@dataclass(frozen=True)
class Cell:
    """One training of the study: an architecture and a seed.

    Args:
        params: those of the study, with this architecture.
        data: the folder of prepared data.
        folder: where all of it is written.
    """

    arch: str
    seed: int
    params: Params
    data: Path
    folder: Path

    @property
    def name(self) -> str:
        """What logs and folders call it."""
        return f"{self.arch}-{self.seed}"

    @property
    def record(self) -> dict[str, Any]:
        """The params that its result depends on, by dotted names, and what its data are."""
        values = flatten(self.params.model_dump(mode="json", by_alias=True))
        used = {
            name: value
            for name, value in values.items()
            if name not in QUIET and any(name == use or name.startswith(use + ".") for use in USES)
        }
        digest = hashlib.sha256()
        for name in (MANIFEST_FILE, CLASSES_FILE):
            digest.update(file_sha256(self.data / name).encode())
        return {**used, "seed": self.seed, "prepared data": digest.hexdigest()[:16]}

    @property
    def protocol(self) -> dict[str, Any]:
        """How it is scored; a cell scored otherwise is scored anew, and not trained anew."""
        return self.params.evaluate.model_dump(mode="json", include=PROTOCOL)


def run_cell(cell: Cell) -> None:
    """Train and score a cell, or what is left to do of it."""
    changed = changed_params(cell)
    if changed:
        logger.info("%s: done anew, for these changed: %s", cell.name, "; ".join(changed))
        shutil.rmtree(cell.folder)
    elif (cell.folder / CELL_FILE).exists():
        scored = json.loads((cell.folder / CELL_FILE).read_text())["protocol"]
        if scored == cell.protocol:
            logger.info("%s: done before", cell.name)
            return
        logger.info("%s: scored anew: %s -> %s", cell.name, scored, cell.protocol)
    from ocrnet.checkpoint import CheckpointStore

    checkpoints = CheckpointStore(cell.folder / "checkpoint")
    goes_on = (cell.folder / "checkpoint" / "checkpoint.pt").exists()
    if goes_on or not (cell.folder / METRICS_FILE).exists():
        logger.info("%s: %s", cell.name, "goes on from its checkpoint" if goes_on else "starts")
        _train(cell, checkpoints)
    miou = _score(cell)
    logger.info("%s: test mIoU %.4f", cell.name, miou)


def changed_params(cell: Cell) -> list[str]:
    """Return in words what differs from the params that a cell's folder was made with, if there is one."""
    path = cell.folder / RECORD_FILE
    if not path.exists():
        return []
    old = json.loads(path.read_text())["params"]
    new = json.loads(json.dumps(cell.record))
    return [
        f"{name} {old.get(name)} -> {new.get(name)}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _train(cell: Cell, checkpoints: Any) -> None:
    from ocrnet.training.train import train_segmenter
    from ocrnet.training.trainer import TrainingData

    write_record(cell.folder, stage=cell.name, fingerprint="", params=cell.record)
    train_segmenter(
        cell.params,
        TrainingData.read(cell.data),
        seed=cell.seed,
        out=cell.folder,
        recorder=Recorder(cell.folder),
        checkpoints=checkpoints,
    )


def _score(cell: Cell) -> float:
    """Score a trained cell on the test split, write it, and return its mIoU."""
    from ocrnet.bundles.bundle import load_bundle
    from ocrnet.evaluation import scoring
    from ocrnet.evaluation.evaluate import read_val_miou
    from ocrnet.inference.predict import Segmenter
    from ocrnet.inference.views import Protocol
    from ocrnet.runtime import pick_device

    split = scoring.read_test_split(cell.data)
    model, card = load_bundle(cell.folder)
    protocol = Protocol.of(cell.params.evaluate)
    val_miou = read_val_miou(cell.folder)
    score = scoring.score_model(
        scoring.Cell(cell.arch, cell.seed),
        Segmenter(model, card, device=str(pick_device()), protocol=protocol),
        split=split,
        val_miou=val_miou,
        boundary_ratio=cell.params.evaluate.boundary_ratio,
    )
    parameters = sum(weight.numel() for weight in model.parameters())
    values = {
        "parameters": parameters,
        "val_miou": val_miou,
        "weights_sha256": card.weights_sha256,
        "protocol": cell.protocol,
    }
    return _write_scores(cell, score.confusions, split, values)


def _write_scores(
    cell: Cell, confusions: NDArray[np.int64], split: "TestSplit", values: dict[str, Any]
) -> float:
    """Write what was counted, and last the file by which the cell is done; return the mIoU."""
    np.savez_compressed(
        cell.folder / TEST_FILE,
        confusions=confusions, ids=np.array(split.ids), groups=np.array(split.groups),
    )  # fmt: skip
    *ious, miou = map(float, arm_scores(confusions[None]))
    names = split.classes.class_names
    per_class = {n: iou for n, iou in zip(names, ious, strict=True) if np.isfinite(iou)}
    values = {"miou": miou, "iou": per_class, **values}
    unfinished = cell.folder / (CELL_FILE + ".partial")
    unfinished.write_text(json.dumps(values, indent=1) + "\n")
    unfinished.replace(cell.folder / CELL_FILE)
    return miou


def measure_cost(cells: Sequence[Cell], path: Path, *, rounds: int) -> None:
    """Write what a training step of each cell's architecture costs, over that of the first one.

    The steps of all alternate in this process, so that what else the machine does weighs on all alike.
    """
    from benchmarks.measure import compare
    from ocrnet.runtime import pick_device
    from ocrnet.training.trainer import Trainer, TrainingData

    ways = {}
    with TemporaryDirectory() as folder:
        for cell in cells:
            train = cell.params.train.model_copy(update=ENDLESS)
            params = cell.params.model_copy(update={"train": train})
            data = TrainingData.read(cell.data)
            trainer = Trainer(params, data, seed=cell.seed, recorder=Recorder(Path(folder)))
            ways[cell.arch] = partial(trainer.advance, next(iter(trainer.batches())))
        ratios = compare(ways, rounds=rounds, device=pick_device())
    values = {arch: ratio._asdict() for arch, ratio in ratios.items()}
    path.write_text(json.dumps(values, indent=1) + "\n")
    logger.info("time of a step: %s", ", ".join(f"{a} {r.time:.2f}" for a, r in ratios.items()))
