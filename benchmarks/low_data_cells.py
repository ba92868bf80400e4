"""The cells of `benchmarks.low_data`: one run of one stage each, in a folder named by all that it is a function of.

A cell's key is a hash of its kind, of the params that its stage uses, and of the keys of the cells that it reads. So a
study whose params changed does anew what depends on them and nothing else, variants share what they do not change, and
no cell is ever overwritten by another.
"""

import fcntl
import hashlib
import json
import logging
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.low_data_stages import BODIES
from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params
from ocrnet.record import flatten, write_record

logger = logging.getLogger("benchmarks.low_data")
DONE_FILE = "done.json"
COMMITS_FILE = "commits.json"  # of the code that has worked on a cell so far
UNKNOWN = "unknown"  # the commit of what git does not know, or nobody noted
# As the stages do; no output depends on the quiet ones, and what lies at data.path is hashed instead.
QUIET = frozenset(
    {"train.workers", "train.checkpoint_interval", "train_gan.checkpoint_interval", "data.path"}
)
TRAINING = ("data.crop_size", "data.value_range", "data.exif", "prepare.resize", "model", "train")
MIXING = ("retrain.real_fraction", "retrain.synthetic_weight", "retrain.real_tail")
USES = {
    "prepare": ("data", "demo", "prepare"),
    "train": TRAINING,
    "train_gan": ("data.crop_size", "train_gan"),
    "synthesize": ("synthesize",),
    "select": ("select",),
    "retrain": (*TRAINING, *MIXING),
}


@dataclass(frozen=True)
class Cell:
    """One run of one stage.

    Args:
        stage: its name.
        params: of the study, with the fraction and the variant put in.
        root: the folder of all cells.
        reads: the cells it reads, by the folder that the stage would read in `data/`.
        arm: of retrain.
        seed: of train and retrain; in select, of the paintings of validation label maps.
        raw: a hash of the raw files, of prepare.
    """

    stage: str
    params: Params
    root: Path
    reads: tuple[tuple[str, "Cell"], ...] = ()
    arm: str = ""
    seed: int = 0
    raw: str = ""

    @property
    def name(self) -> str:
        """What logs call it."""
        return {"train": f"train-{self.seed}", "retrain": f"{self.arm}-{self.seed}"}.get(
            self.stage, self.stage
        )

    @cached_property
    def used(self) -> dict[str, Any]:
        """The params that its result depends on, by dotted names."""
        values = flatten(self.params.model_dump(mode="json", by_alias=True))
        return {
            name: value
            for name, value in values.items()
            if name not in QUIET
            and any(name == use or name.startswith(use + ".") for use in USES[self.stage])
        }

    @cached_property
    def key(self) -> str:
        """The hash of all that it is a function of."""
        parts = [self.stage, self.arm, self.seed, self.raw, self.used]
        parts += [[place, cell.key] for place, cell in self.reads]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:10]

    @property
    def folder(self) -> Path:
        """Where all of it is written."""
        return self.root / f"{self.name}-{self.key}"

    @property
    def done(self) -> bool:
        """Whether it has run to its end."""
        return (self.folder / DONE_FILE).exists()

    def read(self, place: str) -> Path:
        """Return the folder that stands for `place` of `data/`."""
        head, *rest = Path(place).parts
        return dict(self.reads)[head].folder.joinpath(*rest)


def run_cell(cell: Cell) -> None:
    """Run a cell, after those that it reads, unless it is done; another process that runs it is waited for."""
    if cell.done:
        return
    for _, read in cell.reads:
        run_cell(read)
    with locked(cell.root, cell.folder.name):
        if not cell.done:
            _run(cell)


@contextmanager
def locked(cells: Path, name: str) -> Iterator[None]:
    """Hold a lock that one process of a study has at a time; the others wait."""
    locks = cells / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given back by the kernel, however the process ends
        yield


def _run(cell: Cell) -> None:
    checkpoints = CheckpointStore(cell.folder / "checkpoint")
    goes_on = any((cell.folder / "checkpoint").glob("*.pt"))
    logger.info("%s: %s", cell.folder.name, "goes on from its checkpoint" if goes_on else "starts")
    if not goes_on:
        shutil.rmtree(cell.folder, ignore_errors=True)
    write_record(cell.folder, stage=cell.name, fingerprint=cell.key, params=cell.used)
    commits = _note_commit(cell, _commits_before(cell, goes_on=goes_on))
    started = time.monotonic()
    BODIES[cell.stage](cell, checkpoints)
    seconds = time.monotonic() - started
    commits = _note_commit(cell, commits)  # the checkout may have moved meanwhile
    told = {"seconds": round(seconds, 1), "resumed": goes_on, "commits": commits}
    write_json(cell.folder / DONE_FILE, told)
    logger.info("%s: done in %.0f s", cell.folder.name, seconds)


def _commits_before(cell: Cell, *, goes_on: bool) -> list[str]:
    path = cell.folder / COMMITS_FILE
    return list(json.loads(path.read_text())) if path.exists() else [UNKNOWN] * goes_on


def _note_commit(cell: Cell, before: list[str]) -> list[str]:
    """Add the commit of the code to those that have worked on a cell, and return them in order."""
    commits = [*before, *({read_commit()} - set(before[-1:]))]
    write_json(cell.folder / COMMITS_FILE, commits)
    return commits


def commits_of(cell: Cell) -> set[str]:
    """Return the commits of the code that made a cell and those that it reads, as far as they are done."""
    found = set().union(*(commits_of(read) for _, read in cell.reads))
    if cell.done:
        told = json.loads((cell.folder / DONE_FILE).read_text())
        # A cell of older code names one commit, that of its end.
        found |= set(told.get("commits") or [told.get("commit", UNKNOWN)])
    return found


def hash_raw(folder: Path) -> str:
    """Return a hash of the names and sizes of the files in a folder.

    It is part of every cell's key and is asked for at each start, so it reads no file. Pixels that are changed in a
    file of the same size go unnoticed: start such a study in another folder.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = [f"{path.relative_to(folder).as_posix()} {path.stat().st_size}" for path in files]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()[:16]


def read_commit() -> str:
    """Return the commit of the code, where git knows it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return done.stdout.strip()


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file at once: it is there whole or not at all."""
    unfinished = path.with_name(path.name + ".partial")
    unfinished.write_text(json.dumps(values, indent=1) + "\n")
    unfinished.replace(path)
