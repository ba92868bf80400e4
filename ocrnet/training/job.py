"""A training of a segmenter by several processes, as `ocrnet.distributed.launch` gives it to them."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params
from ocrnet.config.params_file import parse_params
from ocrnet.data.manifest import ClassTable
from ocrnet.distributed.launch import check_devices
from ocrnet.distributed.rank import JOB_FILE
from ocrnet.record import Recorder
from ocrnet.training.dataset import ImageFolder
from ocrnet.training.trainer import TrainingData


@dataclass(frozen=True)
class Job:
    """What a rank needs to train a segmenter.

    Args:
        params: Parameters of all stages.
        data: Rows of the manifests, so that every rank sees those that this process saw.
        seed: Random seed of the training run.
        out: Folder of the bundle.
        record: Folder of the metrics.
        times: Side file of wall-clock times, or None.
        checkpoints: Folder of the checkpoint.
        log_level: Log level of the first rank.
    """

    params: Params
    data: TrainingData
    seed: int
    out: Path
    record: Path
    times: Path | None
    checkpoints: Path
    log_level: int = logging.INFO

    @property
    def processes(self) -> int:
        """How many processes take part."""
        return self.params.train.processes

    def check(self, *, devices: int) -> None:
        """Refuse more processes than there are CUDA devices.

        Raises:
            ParamsError: There are fewer CUDA devices than processes.
        """
        check_devices("train", self.processes, devices=devices)

    def run(self, recorder: Recorder) -> None:
        """Take one process's part."""
        from ocrnet.training.train import train_segmenter

        train_segmenter(
            self.params, self.data, seed=self.seed, out=self.out, recorder=recorder,
            checkpoints=CheckpointStore(self.checkpoints),
        )  # fmt: skip

    def write(self, folder: Path) -> None:
        """Write the file that `read` reads; numbers survive to the bit."""
        values = {
            "kind": "ocrnet.training.job:Job",
            "params": self.params.model_dump(mode="json", by_alias=True),
            "classes": [self.data.classes.class_names, self.data.classes.palette, self.data.classes.ignore_index],
            "real": _rows(self.data.real), "val": _rows(self.data.val), "extra": _rows(self.data.extra),
            "seed": self.seed, "out": str(self.out), "record": str(self.record),
            "times": None if self.times is None else str(self.times), "checkpoints": str(self.checkpoints),
            "log_level": self.log_level,
        }  # fmt: skip
        (folder / JOB_FILE).write_text(json.dumps(values))

    @classmethod
    def read(cls, folder: Path) -> "Job":
        """Read the job."""
        raw = json.loads((folder / JOB_FILE).read_text())
        names, palette, ignore_index = raw["classes"]
        real, val, extra = (_folder(raw[name]) for name in ("real", "val", "extra"))
        assert real is not None
        assert val is not None
        classes = ClassTable(tuple(names), tuple(tuple(colour) for colour in palette), ignore_index)
        return cls(
            params=parse_params(raw["params"]),
            data=TrainingData(classes=classes, real=real, val=val, extra=extra),
            seed=raw["seed"],
            out=Path(raw["out"]),
            record=Path(raw["record"]),
            times=None if raw["times"] is None else Path(raw["times"]),
            checkpoints=Path(raw["checkpoints"]),
            log_level=raw["log_level"],
        )


def _rows(folder: ImageFolder | None) -> dict[str, Any] | None:
    if folder is None:
        return None
    return {"folder": str(folder.folder), "table": folder.table.to_dict("list")}


def _folder(raw: dict[str, Any] | None) -> ImageFolder | None:
    return None if raw is None else ImageFolder(Path(raw["folder"]), pd.DataFrame(raw["table"]))
