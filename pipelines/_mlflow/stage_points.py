"""The params and metric points of a stage, read from the files beside its output."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrnet.record import METRICS_FILE, METRICS_LINES, RECORD_FILE
from pipelines._command.secrets import HIDDEN, hide_secrets, is_secret_name

LONGEST_PARAM = 500
_NOT_IN_NAMES = re.compile(r"[^/\w.\- ]")  # what MLflow takes on every system


@dataclass(frozen=True)
class Point:
    """One value of one metric; a run holds at most one per name and step."""

    name: str
    step: int
    value: float
    time_ms: int

    @property
    def place(self) -> tuple[str, int]:
        """Name and step, which identify the point within its run."""
        return self.name, self.step


@dataclass(frozen=True)
class StageRecord:
    """`record.json`: what ran, and with which params."""

    stage: str
    fingerprint: str
    params: Mapping[str, Any]


def read_record(folder: Path) -> StageRecord:
    """Read `record.json`."""
    raw = json.loads((folder / RECORD_FILE).read_text())
    return StageRecord(raw["stage"], raw["fingerprint"], raw["params"])


def params_of(record: StageRecord) -> dict[str, str]:
    """Return the params in the form that MLflow accepts: text, without secrets, long values cut with a notice."""
    return {clean_name(name): _param_text(name, value) for name, value in record.params.items()}


def live_points(folder: Path, times: Sequence[int], *, now_ms: int) -> list[Point]:
    """Return the points of the complete lines of `metrics.jsonl`; a line without a time gets the present one."""
    lines = _lines(folder)
    stamps = [*times, *[now_ms] * len(lines)]
    return _unique(_points(lines, stamps))


def all_points(folder: Path, times: Sequence[int], *, start_ms: int) -> list[Point]:
    """Return every point of a complete stage.

    Wall-clock times are those of the side file where it has one per line. A stage restored from the run cache has none:
    its lines are then a second apart from the start of the run on, so that sending it twice gives the same points.

    A number of `metrics.json` describes the whole run, so it is the last point of its name: at the last step, or one
    later where the series ends with another value.
    """
    lines = _lines(folder)
    if len(times) != len(lines):
        times = [start_ms + 1000 * index for index in range(len(lines))]
    points = _unique(_points(lines, times))
    last_step = max((point.step for point in points), default=0)
    end_ms = max([start_ms, *times])
    ends = {point.name: point for point in sorted(points, key=lambda point: point.step)}
    for raw_name, value in _finals(folder).items():
        name = clean_name(raw_name)
        if name not in ends:
            points.append(Point(name, last_step, value, end_ms))
        elif ends[name].value != value:
            points.append(Point(name, last_step + 1, value, end_ms))
    return points


def read_times(path: Path) -> list[int]:
    """Return the wall-clock times of the lines in milliseconds; empty where there is no side file."""
    try:
        return [round(1000 * float(line)) for line in path.read_text().split()]
    except (FileNotFoundError, ValueError):
        return []


def is_complete(folder: Path) -> bool:
    """Tell whether the stage of the present `record.json` has finished."""
    try:
        return (folder / METRICS_FILE).stat().st_mtime_ns >= (
            folder / RECORD_FILE
        ).stat().st_mtime_ns
    except FileNotFoundError:
        return False


def clean_name(name: str) -> str:
    """Return a name that MLflow accepts: class names may hold any character.

    Examples:
        >>> clean_name("val/IoU/car (parked)")
        'val/IoU/car _parked_'
    """
    return "/".join(part or "_" for part in _NOT_IN_NAMES.sub("_", name).split("/"))[:250]


def _lines(folder: Path) -> list[dict[str, float]]:
    try:
        text = (folder / METRICS_LINES).read_text()
    except FileNotFoundError:
        return []
    whole = text[: text.rfind("\n") + 1]  # the last line may be incomplete
    return [json.loads(line) for line in whole.splitlines() if line.strip()]


def _points(lines: Sequence[Mapping[str, float]], times: Sequence[int]) -> Iterator[Point]:
    for line, time_ms in zip(lines, times, strict=False):
        for name, value in line.items():
            if name != "step":
                yield Point(clean_name(name), int(line["step"]), float(value), time_ms)


def _unique(points: Iterator[Point]) -> list[Point]:
    return list({point.place: point for point in points}.values())


def _finals(folder: Path) -> dict[str, float]:
    try:
        raw = json.loads((folder / METRICS_FILE).read_text())
    except FileNotFoundError:
        return {}
    return {name: float(value) for name, value in raw.items()}


def _param_text(name: str, value: Any) -> str:
    if is_secret_name(name):
        return HIDDEN
    text = hide_secrets(value if isinstance(value, str) else json.dumps(value))
    if len(text) > LONGEST_PARAM:
        return f"{text[:LONGEST_PARAM]} ... (cut: {len(text)} characters, whole in {RECORD_FILE})"
    return text
