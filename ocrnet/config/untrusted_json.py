"""JSON files that come with weights, read as untrusted data with bounds; a bad file is refused in one line.

The reader refuses unknown or repeated keys, numbers that are not finite or out of range, and texts that are far too
long or too deeply nested, before anything is built from them.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, ValidationError

from ocrnet.errors import BundleError

MAX_BYTES = 4 << 20  # a card of 255 classes has 30 KB
MAX_DEPTH = 32
MAX_DIGITS = 300  # a float has fewer digits before its point
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def read_json(path: Path, *, cure: str) -> tuple[str, Any]:
    """Read a bounded JSON file and return its text with its value.

    Args:
        path: Path of the file.
        cure: Sentence with the cure, for messages.

    Raises:
        BundleError: The file cannot be read or is not valid JSON within the bounds.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes, allowed are {MAX_BYTES}")
        text = path.read_text(encoding="utf-8")
        return text, parse_json(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise BundleError(
            f"{path}: cannot be read ({_short(reason or str(error))}). {cure}"
        ) from error


def parse_json(text: str) -> Any:
    """Parse JSON; refuse repeated keys, infinite or very long numbers, and deep nesting.

    Raises:
        ValueError: The text is not such JSON.
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_number
        )
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH}") from None
    if _depth(value) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    return value


def check_card(kind: Any, text: str, path: Path, *, cure: str) -> Any:
    """Return the card of a JSON text.

    Args:
        kind: `TypeAdapter` of the card's type.
        text: JSON that `parse_json` accepted.
        path: Path of the file, for messages.
        cure: Sentence with the cure, for messages.

    Raises:
        BundleError: A value is missing, unknown or out of its range.
    """
    try:
        return kind.validate_json(text)
    except ValidationError as error:
        raise BundleError(f"{path}: {words_of(error)}. {cure}") from None


def words_of(error: ValidationError) -> str:
    """Return the faults of a card in one line."""
    found = [_words(one) for one in error.errors(include_url=False)]
    more = f", and {len(found) - 3} more" if len(found) > 3 else ""
    return f"{'; '.join(found[:3])}{more}"


def _words(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    words = str(error["msg"]).removeprefix("Value error, ").replace("Input should", "it should")
    if error["type"] == "missing":
        return f"{_short(place)} is missing"
    if not place:
        return _short(words)
    return f"{_short(place)} is {_short(repr(error['input']))}: {_short(words)}"


def _short(text: str, length: int = 120) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 3]}..."


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is a duplicate")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not allowed in JSON")


def _number(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [inner for outer in level for inner in _parts(outer)]
    return depth


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        return iter(value.values())
    return iter(value if isinstance(value, list) else ())
