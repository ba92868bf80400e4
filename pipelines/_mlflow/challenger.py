"""The model that `evaluate` named for registration, with the entries of `dvc.lock` that it depends on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrnet.errors import DataError
from pipelines._dvc_files.damaged_outputs import damage_of
from pipelines._dvc_files.lock import Entry, Lock, file_hash

from .sent_record import Registered

WEIGHTS_FILE = "weights.safetensors"
CHALLENGER_FILE = Path("data/evaluate/challenger.json")


@dataclass(frozen=True)
class Challenger:
    """The content of `challenger.json`.

    Args:
        entry: Entry of the training that made the weights.
        evaluation: Entry of the evaluation that chose them.
        facts: Content of the whole file: arm, seed, verdict, metrics.
    """

    entry: Entry
    evaluation: Entry
    weights_sha256: str
    facts: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Folder of the bundle."""
        return self.entry.out

    def damage(self) -> str | None:
        """Return a message on files that contradict the records of DVC and of `evaluate`, or None."""
        for entry in (self.entry, self.evaluation):
            if found := damage_of(entry):
                return found
        path = self.folder / WEIGHTS_FILE
        if not path.is_file() or file_hash(path, "sha256") != self.weights_sha256:
            return f"{path} is not what {CHALLENGER_FILE} says. Run `dvc repro evaluate`."
        return None

    def registered(self, model: str, version: str) -> Registered:
        """Return the record of this challenger as a version of `model`."""
        return Registered(model, version, self.entry.key, self.evaluation.key, self.weights_sha256)


def read_challenger(lock: Lock, path: Path = CHALLENGER_FILE) -> Challenger | None:
    """Read the challenger that `evaluate` named; None where it named none or has not run.

    Raises:
        DataError: the file and `dvc.lock` contradict each other.
    """
    evaluation = lock.entries.get("evaluate")
    if evaluation is None or not path.is_file():
        return None
    facts = json.loads(path.read_text())
    entry = lock.entries.get(facts["stage"])
    if entry is None or entry.out.as_posix() != Path(facts["folder"]).as_posix():
        raise DataError(
            f"{path}: names {facts['stage']} in {facts['folder']}, which dvc.lock does not. Run `dvc repro evaluate`."
        )
    return Challenger(entry, evaluation, facts["weights_sha256"], facts)
