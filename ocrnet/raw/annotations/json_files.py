"""Annotation files in JSON: read as data from outside, and refused in one line."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ocrnet.config.untrusted_json import words_of
from ocrnet.errors import DataError
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.tree import Entry, Kind

T = TypeVar("T", bound=BaseModel)


class Part(BaseModel):
    """A part of an annotation file; keys that are not needed are left alone."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, frozen=True)


def json_files(
    inventory: Inventory, keys: Collection[str], *, tool: str
) -> list[tuple[Entry, Any]]:
    """Return the JSON files that have the keys of a tool, with their content, and report the use of each.

    Args:
        inventory: Inventory of the raw folder.
        keys: Keys at the top of the files that the tool writes.
        tool: Name of the tool, for messages.

    Raises:
        DataError: No file has these keys, or a file is no JSON.
    """
    found = []
    words = " and ".join(sorted(keys))
    for entry in inventory.open_entries():
        if entry.kind is not Kind.FILE or entry.path.suffix.lower() != ".json":
            continue
        content = read_json_file(entry.path, inventory)
        if isinstance(content, dict) and content.keys() >= set(keys):
            inventory.use(entry.path, "annotation files")
            found.append((entry, content))
        else:
            inventory.leave(entry.path, f"no file of {tool}: it lacks {words}")
    if not found:
        raise DataError(
            f"E114 {inventory.root}: no JSON file has {words}. Put the files of {tool} there with their images."
        )
    return found


def read_json_file(path: Path, inventory: Inventory) -> Any:
    """Return the content of a JSON file.

    Raises:
        DataError: (E116) It is no JSON.
    """
    name = inventory.name(path)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(
            f"E121 {name} cannot be read ({error.strerror}). Make the file readable."
        ) from error
    except RecursionError:
        raise DataError(f"E116 {name}: nested too deeply. Export it again.") from None
    except ValueError as error:
        raise DataError(f"E116 {name}: no JSON ({error}). Export it again.") from None


def parse_part(kind: type[T], content: Any, place: str) -> T:
    """Return a part of an annotation file.

    Raises:
        DataError: (E116) A value is missing or of another type.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise DataError(f"E116 {place}: {words_of(error)}. Export it again.") from None
