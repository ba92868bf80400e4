"""Reading of the stages' files."""

import json
from pathlib import Path
from typing import Any

from ocrnet.errors import DataError


def required(path: Path) -> Path:
    """Return the path if it exists.

    Raises:
        DataError: The file is missing.
    """
    if not path.exists():
        raise DataError(
            f"{path}: the file is missing, but the report needs it. Run `dvc repro` up to the stage that writes it."
        )
    return path


def read_json(path: Path) -> Any:
    """Read a JSON file that must exist."""
    return json.loads(required(path).read_text())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file with one JSON object per line that must exist."""
    return [json.loads(line) for line in required(path).read_text().splitlines() if line]


def curve(lines: list[dict[str, Any]], name: str) -> tuple[tuple[float, float], ...]:
    """Return the points (step, value) of a metric, sorted by step."""
    return tuple(sorted((float(line["step"]), float(line[name])) for line in lines if name in line))
