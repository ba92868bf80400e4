"""What every stage shares: its parameters, folders, record, log and exit code.

A stage is a function of files. It reads `params.yaml`, the code and the folders that `dvc.yaml` names. It writes to
`data/<stage>/` (`data/<stage>/<cell>/` for a matrix stage). Checkpoints and wall-clock times are in `.state/`, which
git and DVC ignore.
"""

import argparse
import logging
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ocrnet.config import Params
from ocrnet.config.params_file import load_params
from ocrnet.errors import MachineError, ParamsError
from ocrnet.errors.machine import machine_error
from ocrnet.errors.near_names import hint
from ocrnet.record import Recorder, SilentRecorder, flatten, write_record
from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import report_error
from pipelines._stage.commit import note_commit
from pipelines._stage.dependencies import Node, read_node, read_order
from pipelines._stage.end_with_dvc import end_with_dvc
from pipelines._stage.fingerprint import STATE, checkpoint_folder, fingerprint_of, recorded_params
from pipelines._stage.rank import is_rank, rank

logger = logging.getLogger(__name__)
MACHINE_FAILED = MachineError.exit_code  # makes a flow try the stage on another machine
KEPT_CHECKPOINTS = 2  # fingerprints kept per stage cell


@dataclass(frozen=True)
class Stage:
    """One run of one stage.

    Args:
        name: Name that DVC gives the stage, with its cell: `train@0`.
        cell: Values of the matrix cell, such as `("gan", "0")`.
        params: Values of `params.yaml`.
        out: Folder of the output.
        node: Dependencies of the stage.
    """

    name: str
    cell: tuple[str, ...]
    params: Params
    out: Path
    node: Node

    @cached_property
    def fingerprint(self) -> str:
        """Hash of params, cell and inputs; the same run on another machine has the same."""
        values = self.params.model_dump(mode="json", by_alias=True)
        return fingerprint_of(self.recorded_params, self.node.inputs(values, self.cell), self.cell)

    @property
    def recorded_params(self) -> dict[str, Any]:
        """Params that the result depends on, by dotted names."""
        return recorded_params(self.params, self.node)

    @property
    def checkpoints(self) -> Path:
        """Folder of this run's checkpoint: only the code that wrote a checkpoint resumes it."""
        return checkpoint_folder(self.name, self.fingerprint, self.node)

    @property
    def times(self) -> Path:
        """Side file with the wall-clock time of each metric line."""
        return STATE / "times" / f"{self.name}.txt"

    def start_record(self) -> Recorder:
        """Write what runs, start the follower where params ask for it, and return the recorder.

        Of several processes of a training the first one does so, and the others get a recorder that writes nothing.
        """
        if rank() > 0:
            return SilentRecorder()
        write_record(
            self.out, stage=self.name, fingerprint=self.fingerprint, params=self.recorded_params
        )
        note_commit(self.name, self.fingerprint)
        recorder = Recorder(self.out, times=self.times)
        if self.params.publish.live:
            _start_follower(self)
        return recorder


def run_stage(
    body: Callable[[Stage], None], name: str, *, argv: Sequence[str] | None = None
) -> int:
    """Run a stage from the command line and return its exit code.

    Args:
        body: Function that does the work.
        name: Name of the stage in `dvc.yaml`: its module and its folder.
        argv: Arguments of the command: the values of the matrix cell. By default those of the command line.
    """
    # Read when torch is first imported. By default a waiting thread spins for long, which makes two threads ten times
    # slower than one on busy cores; without any spinning they are a third slower on free cores.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    set_up_logging()
    values = tuple(sys.argv[1:] if argv is None else argv)
    node = read_node(name)
    if {"-h", "--help"} & set(values):
        _parser(body, name, node).print_help()
        return 0
    stage: Stage | None = None
    try:
        _check_count(values, name, node)
        params = load_params(Path("params.yaml"))
        _check_cell(values, node, params)
        cell = "-".join(values)
        stage = Stage(
            name=f"{name}@{cell}" if values else name, cell=values, params=params,
            out=Path("data", name, cell), node=node,
        )  # fmt: skip
        stage.out.mkdir(parents=True, exist_ok=True)
        if not is_rank():
            _log_position(stage)
            _prune_checkpoints(stage)
            end_with_dvc()
        body(stage)
    except Exception as error:
        return _end(error, name, stage)
    return 0


def _parser(body: Callable[[Stage], None], name: str, node: Node) -> argparse.ArgumentParser:
    words = (sys.modules[body.__module__].__doc__ or "").partition("\n\n")[0]
    parser = Parser(prog=f"python -m pipelines.{name}", description=words)
    for item in node.cell:
        parser.add_argument(
            item, metavar=item.upper(), help=f"One of {node.values[item]} in params.yaml"
        )
    return parser


def _check_count(values: Sequence[str], name: str, node: Node) -> None:
    if len(values) != len(node.cell):
        expected = " ".join(["python -m pipelines." + name, *(item.upper() for item in node.cell)])
        raise ParamsError(f"found arguments {list(values)}. Write: {expected}")


def _check_cell(values: Sequence[str], node: Node, params: Params) -> None:
    """Refuse a cell that the params do not name: DVC would not track its folder."""
    listed = flatten(params.model_dump(mode="json", by_alias=True))
    for item, value in zip(node.cell, values, strict=True):
        known = [str(one) for one in listed[node.values[item]]]
        if value not in known:
            raise ParamsError(
                f"params.yaml: {node.values[item]}: has no {value!r}.{hint(value, known)} It has: "
                f"{', '.join(known)}."
            )


def _end(error: Exception, name: str, stage: Stage | None) -> int:
    """Print what ended a stage and return its exit code.

    It also deletes files that a failing machine left half written: on a full disk they would block other writers.
    """
    if stage is not None and machine_error(error) is not None:
        for folder in (stage.out, STATE / "checkpoints" / stage.name):
            for partial in folder.rglob("*.partial"):
                partial.unlink(missing_ok=True)
    return report_error(error, name)


def set_up_logging() -> None:
    """Log to standard error, one line per event, and send warnings there too; of several processes the first does."""
    level = logging.ERROR if rank() > 0 else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("great_expectations").setLevel(
        logging.WARNING
    )  # logs hundreds of lines at import
    logging.captureWarnings(capture=True)
    warnings.filterwarnings("ignore", category=DeprecationWarning)


def _log_position(stage: Stage) -> None:
    """Log which stage of how many this is; DVC skips stages that are up to date."""
    order = read_order(stage.params.model_dump(mode="json", by_alias=True))
    if stage.name in order:
        logger.info("stage %d of %d: %s", order.index(stage.name) + 1, len(order), stage.name)


def _prune_checkpoints(stage: Stage) -> None:
    found = list((STATE / "checkpoints" / stage.name).glob("*"))
    folders = [path for path in found if path != stage.checkpoints]
    folders.sort(key=lambda path: path.stat().st_mtime)
    for path in folders[: max(0, len(folders) - KEPT_CHECKPOINTS + 1)]:
        shutil.rmtree(path, ignore_errors=True)


def _start_follower(stage: Stage) -> None:
    """Start the process that sends metrics while the stage runs; the stage never waits for it."""
    log = STATE / "follow" / f"{stage.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        subprocess.Popen(
            [sys.executable, "-m", "pipelines.follow", str(stage.out), str(stage.times), str(os.getpid())],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
