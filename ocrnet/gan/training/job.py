"""A training of the GAN by several processes, as `ocrnet.distributed.launch` passes it to them."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import TrainGanParams
from ocrnet.distributed.launch import check_devices
from ocrnet.distributed.rank import JOB_FILE
from ocrnet.record import Recorder


@dataclass(frozen=True)
class GanJob:
    """What a rank needs to train the GAN.

    Args:
        params: Parameters of the stage.
        prepared: Folder of the manifest.
        crop_size: Height and width of the windows if the params name none.
        out: Folder of the painter.
        record: Folder of the metrics.
        times: Side file of wall-clock times, or None.
        checkpoints: Folder of the checkpoint.
        log_level: Log level of the first rank.
    """

    params: TrainGanParams
    prepared: Path
    crop_size: tuple[int, int]
    out: Path
    record: Path
    times: Path | None
    checkpoints: Path
    log_level: int = logging.INFO

    @property
    def processes(self) -> int:
        """How many processes take part."""
        return self.params.processes

    def check(self, *, devices: int) -> None:
        """Refuse more processes than there are CUDA devices.

        Raises:
            ParamsError: There are fewer CUDA devices than processes.
        """
        check_devices("train_gan", self.processes, devices=devices)

    def write(self, folder: Path) -> None:
        """Write the file that `read` reads."""
        values = {
            "kind": "ocrnet.gan.training.job:GanJob",
            "params": self.params.model_dump(mode="json"),
            "prepared": str(self.prepared),
            "crop_size": list(self.crop_size),
            "out": str(self.out),
            "record": str(self.record),
            "times": None if self.times is None else str(self.times),
            "checkpoints": str(self.checkpoints),
            "log_level": self.log_level,
        }
        (folder / JOB_FILE).write_text(json.dumps(values))

    @classmethod
    def read(cls, folder: Path) -> "GanJob":
        """Read the job."""
        raw = json.loads((folder / JOB_FILE).read_text())
        height, width = raw["crop_size"]
        return cls(
            TrainGanParams.model_validate(raw["params"]),
            prepared=Path(raw["prepared"]),
            crop_size=(height, width),
            out=Path(raw["out"]),
            record=Path(raw["record"]),
            times=None if raw["times"] is None else Path(raw["times"]),
            checkpoints=Path(raw["checkpoints"]),
            log_level=raw["log_level"],
        )

    def run(self, recorder: Recorder) -> None:
        """Take one process's part."""
        from ocrnet.gan.training.train import train_gan

        train_gan(
            self.prepared,
            self.params,
            crop_size=self.crop_size,
            out=self.out,
            recorder=recorder,
            store=CheckpointStore(self.checkpoints),
        )
