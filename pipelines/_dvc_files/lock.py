"""The entries of `dvc.lock` that become runs of MLflow: those whose folder holds a record."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped, unused-ignore]  # mlflow and DVC need it anyway

from ocrnet.errors import DataError
from ocrnet.record import RECORD_FILE

LOCK_FILE = Path("dvc.lock")
DATA_STAGE = "prepare"  # its output is "the data" of a run's lineage
DATA_FOLDER = "data/prepare"


@dataclass(frozen=True)
class Entry:
    """A stage cell that ran.

    Args:
        name: Name of the stage in DVC, such as `train@0`.
        key: Hash of the entry; the same on every machine that restores the stage.
        out: Folder of the stage.
        md5: Hash of the folder in `dvc.lock`.
    """

    name: str
    key: str
    out: Path
    md5: str


@dataclass(frozen=True)
class Lock:
    """The stages of `dvc.lock`.

    Args:
        md5: Hash of the file.
        data_md5: Hash of the prepared data.
        entries: Entries of the stages with a record, by name, without those left over from other prepared data.
    """

    md5: str
    data_md5: str
    entries: Mapping[str, Entry]


def read_lock(path: Path = LOCK_FILE) -> Lock:
    """Read `dvc.lock` and find the stages that left a record.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file, so no stage has run. Run `dvc repro` first."
        ) from None
    loaded = load_plain_yaml(content, path)
    stages = loaded.get("stages") or {}
    outs = [(name, value, out) for name, value in stages.items() for out in value.get("outs", [])]
    entries = {
        name: Entry(name, key_of(name, value), Path(out["path"]), out.get("md5", ""))
        for name, value, out in outs
        if Path(out["path"], RECORD_FILE).is_file()
    }
    data_md5 = next((out.get("md5", "") for name, _, out in outs if name == DATA_STAGE), "")
    stale = {
        name
        for name, value in stages.items()
        for dep in value.get("deps", [])
        if dep["path"] == DATA_FOLDER and dep.get("md5", data_md5) != data_md5
    }
    entries = {name: entry for name, entry in entries.items() if name not in stale}
    return Lock(hashlib.md5(content).hexdigest(), data_md5, entries)


def load_plain_yaml(content: bytes, path: Path) -> dict[str, Any]:
    """Load a mapping in milliseconds, with every scalar as text.

    A key needs text: `1e-4` stays the same whatever type a loader would give it.

    Raises:
        DataError: the content is not a mapping.
    """
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        loaded = yaml.load(content, Loader=loader)
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(loaded, dict):
        raise DataError(f"{path}: found {type(loaded).__name__}, expected a mapping.")
    return loaded


def key_of(name: str, entry: Mapping[str, Any]) -> str:
    """Return a hash of a stage's entry: its command, dependencies, params and outputs."""
    text = json.dumps([name, entry], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def folder_md5(folder: Path) -> str:
    """Return the hash that DVC gives a folder."""
    files = [
        {"md5": file_hash(path, "md5"), "relpath": path.relative_to(folder).as_posix()}
        for path in folder.rglob("*")
        if path.is_file()
    ]
    files.sort(key=lambda file: file["relpath"])
    return hashlib.md5(json.dumps(files, sort_keys=True).encode()).hexdigest() + ".dir"


def file_hash(path: Path, algorithm: str) -> str:
    """Return the hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
