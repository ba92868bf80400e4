"""The record of a run: files beside a stage's output, which are sent to MLflow later.

`metrics.jsonl` grows while the stage runs, a line per logged step; `metrics.json` holds the final numbers;
`record.json` says what ran. None of them holds a time or a host name, so that another machine can restore the
stage from DVC's run cache: wall-clock times go to a side file, one line per line of `metrics.jsonl`.
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
        folder: Output folder of the stage; made if it is missing.
        times: Side file for wall-clock times; None writes none.

    Attributes:
        folder: Folder given to the constructor.
        times: File given to the constructor for wall-clock times, or None.
    """

    def __init__(self, folder: Path, *, times: Path | None = None) -> None:
        self.folder = folder
        self.times = times
        self._lines: list[str] = []
        self._stamps: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        (folder / METRICS_LINES).write_text("")
        if times is not None:
            times.parent.mkdir(parents=True, exist_ok=True)
            times.write_text("")

    def log(self, step: int, values: Mapping[str, float | int]) -> None:
        """Append one line; a value that is not finite (the IoU of an absent class) is left out."""
        finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        self._append(json.dumps({"step": step, **finite}), f"{time.time():.3f}")

    def state(self) -> dict[str, list[str]]:
        """Return the lines so far and when they were written, for a checkpoint."""
        return {"lines": list(self._lines), "stamps": list(self._stamps)}

    def restore(self, state: Mapping[str, Sequence[str]]) -> None:
        """Start from the lines of a checkpoint in place of those written so far."""
        self._lines, self._stamps = [], []
        (self.folder / METRICS_LINES).write_text("")
        if self.times is not None:
            self.times.write_text("")
        for line, stamp in zip(state["lines"], state["stamps"], strict=True):
            self._append(line, stamp)

    def finish(self, metrics: Mapping[str, float | int]) -> None:
        """Write `metrics.json`, the final numbers of the run."""
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        (self.folder / METRICS_FILE).write_text(json.dumps(finite, indent=1) + "\n")

    def _append(self, line: str, stamp: str) -> None:
        self._lines.append(line)
        self._stamps.append(stamp)
        with (self.folder / METRICS_LINES).open("a") as file:
            file.write(line + "\n")
        if self.times is not None:
            with self.times.open("a") as file:
                file.write(stamp + "\n")


def write_record(folder: Path, *, stage: str, fingerprint: str, params: Mapping[str, Any]) -> None:
    """Write `record.json`: the stage with its cell, what it was a function of, and its params as flat names."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {"stage": stage, "fingerprint": fingerprint, "params": dict(params)}
    (folder / RECORD_FILE).write_text(json.dumps(record, indent=1) + "\n")


def flatten(values: Mapping[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one mapping with dotted names.

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
