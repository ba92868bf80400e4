"""The record of a run: files beside a stage's output, which are sent to MLflow later.

`metrics.jsonl` grows while the stage runs, with one line per logged step; `metrics.json` has the final numbers;
`record.json` has the stage and its params. None of them has a time or a host name, so that another machine can restore
the stage from DVC's run cache: wall-clock times are in a side file, one line per line of `metrics.jsonl`.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

METRICS_LINES = "metrics.jsonl"
METRICS_FILE = "metrics.json"
RECORD_FILE = "record.json"


class Recorder:
    """Writes the metrics of one run.

    Args:
        folder: Output folder of the stage; created if it is missing.
        times: Side file for wall-clock times; None for no file.
    """

    def __init__(self, folder: Path, *, times: Path | None = None) -> None:
        self._folder = folder
        self._times = times
        self._lines: list[str] = []
        self._stamps: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        (folder / METRICS_LINES).write_text("")
        if times is not None:
            times.parent.mkdir(parents=True, exist_ok=True)
            times.write_text("")

    def log(self, step: int, values: Mapping[str, float | int]) -> None:
        """Append one line; a value that is not finite (such as the IoU of an absent class) is left out."""
        finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        self._append(json.dumps({"step": step, **finite}), f"{time.time():.3f}")

    def state(self) -> dict[str, list[str]]:
        """Return the lines and their times so far, for a checkpoint."""
        return {"lines": list(self._lines), "stamps": list(self._stamps)}

    def restore(self, state: Mapping[str, Sequence[str]]) -> None:
        """Replace the lines written so far with the lines of a checkpoint."""
        self._lines, self._stamps = [], []
        (self._folder / METRICS_LINES).write_text("")
        if self._times is not None:
            self._times.write_text("")
        for line, stamp in zip(state["lines"], state["stamps"], strict=True):
            self._append(line, stamp)

    def finish(self, metrics: Mapping[str, float | int]) -> None:
        """Write `metrics.json`, the final numbers of the run."""
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        (self._folder / METRICS_FILE).write_text(json.dumps(finite, indent=1) + "\n")

    def _append(self, line: str, stamp: str) -> None:
        self._lines.append(line)
        self._stamps.append(stamp)
        with (self._folder / METRICS_LINES).open("a") as file:
            file.write(line + "\n")
        if self._times is not None:
            with self._times.open("a") as file:
                file.write(stamp + "\n")


class SilentRecorder(Recorder):
    """A recorder that writes nothing, for all processes of a training except the first."""

    def __init__(self) -> None:
        self._lines, self._stamps = [], []

    def restore(self, state: Mapping[str, Sequence[str]]) -> None:
        """Write nothing."""

    def finish(self, metrics: Mapping[str, float | int]) -> None:
        """Write nothing."""

    def _append(self, line: str, stamp: str) -> None:
        pass


def write_record(folder: Path, *, stage: str, fingerprint: str, params: Mapping[str, Any]) -> None:
    """Write `record.json`: the stage with its cell, the fingerprint of its inputs, and its params under flat names."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {"stage": stage, "fingerprint": fingerprint, "params": dict(params)}
    (folder / RECORD_FILE).write_text(json.dumps(record, indent=1) + "\n")


def flatten(values: Mapping[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one mapping with dotted names.

    Examples:
        >>> flatten({"train": {"lr": 0.1, "size": [1, 2]}})
        {'train.lr': 0.1, 'train.size': [1, 2]}
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, prefix=f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat
