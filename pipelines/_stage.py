"""What every stage shares: its parameters, folders, record, log and exit code.

A stage is a function of files. What it reads is `params.yaml`, the code and the folders named in `dvc.yaml`;
what it writes is `data/<stage>/` (`data/<stage>/<cell>/` for a matrix stage). Checkpoints and wall-clock times
lie in `.state/`, which git and DVC ignore.
"""

import argparse
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrnet.config import Params
from ocrnet.errors import MachineError, OcrnetError, ParamsError
from ocrnet.machine import machine_error
from ocrnet.near_names import hint
from ocrnet.params_file import load_params
from ocrnet.tracking import Recorder, flatten, write_record
from pipelines._arguments import Parser
from pipelines._commit import note_commit
from pipelines._orphan import end_with_dvc

logger = logging.getLogger(__name__)
STATE = Path(".state")
MACHINE_FAILED = MachineError.exit_code  # which a flow takes as leave to try the stage elsewhere
CELLS = {"seed": "seeds", "arm": "retrain.arms"}  # the params that name the values of a cell
KEPT_CHECKPOINTS = 2  # fingerprints kept per stage cell
QUIET = frozenset(
    {
        "train.workers",
        "train.checkpoint_interval",
        "train_gan.checkpoint_interval",
        "publish.live",
    }
)  # keys that steer how a stage runs and not what comes out of it; no output holds them


@dataclass(frozen=True)
class Stage:
    """One run of one stage.

    Args:
        name: the stage as DVC names it, with its cell: `train@0`.
        cell: the values of the matrix cell, such as `("gan", "0")`.
        fingerprint: of params, cell and inputs; the same run on another machine has the same.
        code: of the library's code; a checkpoint is only resumed by the code that wrote it.
    """

    name: str
    cell: tuple[str, ...]
    params: Params
    out: Path
    fingerprint: str
    code: str
    uses: tuple[str, ...]

    @property
    def checkpoints(self) -> Path:
        """The folder of this run's checkpoint."""
        return STATE / "checkpoints" / self.name / f"{self.fingerprint}-{self.code}"

    @property
    def times(self) -> Path:
        """The side file with the wall-clock time of each metric line."""
        return STATE / "times" / f"{self.name}.txt"

    def start_record(self) -> Recorder:
        """Write what runs, start the follower where params ask for it, and return the recorder."""
        values = recorded_params(self.params, self.uses)
        write_record(self.out, stage=self.name, fingerprint=self.fingerprint, params=values)
        note_commit(self.name, self.fingerprint)
        recorder = Recorder(self.out, times=self.times)
        if self.params.publish.live:
            _start_follower(self)
        return recorder


def run_stage(
    body: Callable[[Stage], None],
    name: str,
    *,
    cell: Sequence[str] = (),
    uses: Sequence[str],
    inputs: Callable[[Params, tuple[str, ...]], Sequence[Path]] = lambda params, cell: (),
    argv: Sequence[str] | None = None,
) -> int:
    """Run a stage from the command line and return its exit code.

    Args:
        body: does the work.
        name: the word for the stage: its module, its section and its folder.
        cell: names of the matrix cell's values, which are the command's arguments.
        uses: the sections and dotted keys of `params.yaml` that the result depends on.
        inputs: the files and folders that the result depends on, from params and cell.
        argv: the command's arguments, from the command line by default.
    """
    # Read when torch is first imported. By default a thread that waits for another spins for long, which on cores that
    # are not free makes two threads ten times slower than one; not to spin at all is a third slower on free ones.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    set_up_logging()
    values = tuple(sys.argv[1:] if argv is None else argv)
    if {"-h", "--help"} & set(values):
        _parser(body, name, cell).print_help()
        return 0
    stage: Stage | None = None
    try:
        _check_count(values, name, cell)
        params = load_params(Path("params.yaml"))
        _check_cell(values, cell, params)
        out = Path("data", name, "-".join(values)) if cell else Path("data", name)
        fingerprint = fingerprint_of(params, uses, inputs(params, values), values)
        stage = Stage(
            name="@".join([name, "-".join(values)]) if cell else name,
            cell=values, params=params, out=out, fingerprint=fingerprint, code=code_fingerprint(), uses=tuple(uses),
        )  # fmt: skip
        _prune_checkpoints(stage)
        out.mkdir(parents=True, exist_ok=True)
        end_with_dvc()
        body(stage)
    except Exception as error:
        return _tell(error, name, stage)
    return 0


def _parser(
    body: Callable[[Stage], None], name: str, cell: Sequence[str]
) -> argparse.ArgumentParser:
    words = (sys.modules[body.__module__].__doc__ or "").partition("\n\n")[0]
    parser = Parser(prog=f"python -m pipelines.{name}", description=words)
    for item in cell:
        parser.add_argument(
            item, metavar=item.upper(), help=f"a value of {CELLS[item]} in params.yaml"
        )
    return parser


def _check_count(values: Sequence[str], name: str, cell: Sequence[str]) -> None:
    if len(values) != len(cell):
        expected = " ".join(["python -m pipelines." + name, *(item.upper() for item in cell)])
        raise ParamsError(f"found arguments {list(values)}. Write: {expected}")


def _check_cell(values: Sequence[str], cell: Sequence[str], params: Params) -> None:
    """Refuse a cell that the params do not name: DVC would not know its folder."""
    known = {
        "seed": [str(seed) for seed in params.seeds],
        "arm": list(params.retrain.arms),
    }
    for item, value in zip(cell, values, strict=True):
        if value not in known[item]:
            raise ParamsError(
                f"params.yaml: {CELLS[item]}: has no {value!r}.{hint(value, known[item])} It has: "
                f"{', '.join(known[item])}."
            )


def _tell(error: Exception, name: str, stage: Stage | None) -> int:
    """Print what ended a stage and return its exit code; a bug is raised again.

    What a failing machine left half written goes: on a full disk it would keep others from writing.
    """
    error = machine_error(error) or error
    if not isinstance(error, OcrnetError):
        raise error
    if isinstance(error, MachineError) and stage is not None:
        for folder in (stage.out, stage.checkpoints):
            for partial in folder.rglob("*.partial"):
                partial.unlink(missing_ok=True)
    for line in str(error).splitlines():
        print(f"{name}: {line}", file=sys.stderr)
    return error.exit_code


def set_up_logging() -> None:
    """Log to standard error, one line per event, and send warnings there too."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("great_expectations").setLevel(
        logging.WARNING
    )  # tells hundreds of lines at import
    logging.captureWarnings(capture=True)
    warnings.filterwarnings("ignore", category=DeprecationWarning)


def recorded_params(params: Params, uses: Sequence[str]) -> dict[str, Any]:
    """Return the params of some sections and keys as dotted names, without the quiet ones."""
    values = flatten(params.model_dump(mode="json", by_alias=True))
    return {
        name: value
        for name, value in values.items()
        if name not in QUIET and any(name == use or name.startswith(use + ".") for use in uses)
    }


def fingerprint_of(
    params: Params, uses: Sequence[str], inputs: Sequence[Path], cell: Sequence[str]
) -> str:
    """Return a hash of the data a stage is a function of: params, cell and inputs."""
    digest = hashlib.sha256("\0".join(cell).encode())
    digest.update(json.dumps(recorded_params(params, uses), sort_keys=True).encode())
    return _digest_files(digest, _files(inputs))


def code_fingerprint() -> str:
    """Return a hash of the library's code."""
    package = Path(__file__).resolve().parent.parent / "ocrnet"
    return _digest_files(hashlib.sha256(), sorted(package.rglob("*.py")))


def _digest_files(digest: "hashlib._Hash", paths: Sequence[Path]) -> str:
    for path in paths:
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _files(inputs: Sequence[Path]) -> list[Path]:
    return [
        file
        for path in inputs
        for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
        if file.is_file()
    ]


def _prune_checkpoints(stage: Stage) -> None:
    folders = [path for path in stage.checkpoints.parent.glob("*") if path != stage.checkpoints]
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
