"""The fingerprint of a stage: a hash of what its result depends on. A checkpoint is resumed only under the same one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocrnet.config import Params
from ocrnet.record import flatten
from pipelines._stage.dependencies import Node

STATE = Path(".state")


def recorded_params(params: Params, node: Node) -> dict[str, Any]:
    """Return the params that a stage depends on, by dotted names."""
    values = flatten(params.model_dump(mode="json", by_alias=True))
    return {name: value for name, value in values.items() if node.uses(name)}


def fingerprint_of(params: Mapping[str, Any], inputs: Sequence[Path], cell: Sequence[str]) -> str:
    """Return a hash of what a stage depends on besides code: params, cell and inputs."""
    digest = hashlib.sha256("\0".join(cell).encode())
    digest.update(json.dumps(params, sort_keys=True).encode())
    return _digest_files(digest, _files(inputs))


def checkpoint_folder(name: str, fingerprint: str, node: Node) -> Path:
    """Return the folder of a checkpoint, named by the stage's inputs and code."""
    code = _digest_files(hashlib.sha256(), node.code_files())
    return STATE / "checkpoints" / name / f"{fingerprint}-{code}"


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
