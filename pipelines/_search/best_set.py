"""The set of params with the best values of a search."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ocrnet.auto_config.choice import Choice
from ocrnet.auto_config.set_file import set_text
from ocrnet.config.params_file import read_yaml
from ocrnet.data.files import write_whole
from ocrnet.errors import ParamsError
from pipelines._edit_params import leaves_of
from pipelines._search.results import Result, Summary


def require_free(target: Path, *, written: Path, force: bool) -> None:
    """Check that a file of a set may be written: it is missing, or the search wrote it and nobody changed it since.

    Args:
        target: Path of the set.
        written: File in which `write_best_set` notes what it wrote.
        force: Whether any file may be replaced.

    Raises:
        ParamsError: The file may not be replaced.
    """
    if force or not target.exists():
        return
    if not written.exists() or written.read_text() != _digest(target):
        raise ParamsError(
            f"{target} exists. Choose another name with --name, or replace the file with --force."
        )


def write_best_set(
    target: Path, summary: Summary, best: Result, *, params: Path, written: Path
) -> None:
    """Write the active params with the best values as a set: all keys that any set names, and the searched ones.

    Args:
        target: Path of the set; other sets are in the same folder.
        summary: Search that found the values.
        best: Its best trial.
        params: Path of `params.yaml`.
        written: File that notes what was written, for `require_free`.
    """
    active = leaves_of(read_yaml(params, YAML(typ="safe")), place=params.name)
    named = {*best.values, *_named_keys(target)}
    choices = [
        Choice(key, best.values.get(key, value), _reason(key, summary, value))
        for key, value in active.items()
        if key in named
    ]
    write_whole(target, set_text([_head(summary, best)], choices))
    write_whole(written, _digest(target))


def _head(summary: Summary, best: Result) -> str:
    start = summary.of_start
    than = (
        f" The params that the search started from have {start.miou:.4f}."
        if start is not None and start.miou is not None
        else ""
    )
    seeds = ", ".join(map(str, summary.seeds))
    return (
        f"Found by `ocrnet search`, {summary.name}: trial {best.number}, the best of {len(summary.results)}, has the "
        f"validation mIoU {best.miou:.4f} (mean over the seeds {seeds}).{than}"
    )


def _reason(key: str, summary: Summary, before: Any) -> str:
    if key not in summary.space:
        return ""
    return f"Searched in {summary.space[key]}; it was {before}."


def _named_keys(target: Path) -> set[str]:
    """Return the keys that the other sets of the folder name, so that this one replaces all of their values."""
    named: set[str] = set()
    for path in sorted(target.parent.glob("*.yaml")):
        if path != target:
            values: Mapping[str, Any] = read_yaml(path, YAML(typ="safe"))
            named |= set(leaves_of(values, place=path.name))
    return named


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
