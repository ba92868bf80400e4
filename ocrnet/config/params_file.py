"""Reading of `params.yaml`: refuses unknown keys with the list of known ones and reports all errors at once."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ocrnet.config import Params
from ocrnet.errors import ParamsError
from ocrnet.errors.near_names import hint, hint_for_key


def load_params(path: Path) -> Params:
    """Read `params.yaml`.

    Raises:
        ParamsError: A key or value is wrong; one line for each.
    """
    try:
        raw = read_yaml(path, YAML(typ="safe"))
    except FileNotFoundError:
        raise ParamsError(
            f"{path}: no such file. Run the stage from the repository root."
        ) from None
    return parse_params(raw, place=path.name)


def read_yaml(path: Path, yaml: YAML) -> Any:
    """Read a YAML file.

    Args:
        path: Path of the file.
        yaml: Reader to use.

    Raises:
        FileNotFoundError: The file does not exist.
        ParamsError: The file is not text or not YAML; in one line.
    """
    try:
        return yaml.load(path)
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: not UTF-8 ({error.reason}). Save it as UTF-8.") from None
    except YAMLError as error:
        told = " ".join(str(error).split())
        cure = " Indent by spaces, not by tabs." if "\\t" in told else ""
        raise ParamsError(f"{path}: not YAML: {told}{cure}") from None


def parse_params(raw: Any, *, place: str = "params.yaml") -> Params:
    """Check a mapping as `load_params` does a file.

    Raises:
        ParamsError: A key or value is wrong; one line for each.
    """
    if not isinstance(raw, dict):
        raise ParamsError(
            f"{place}: found {type(raw).__name__}, expected sections such as data: and train:."
        )
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        lines = [_line(place, detail) for detail in _told(error.errors())]
        raise ParamsError("\n".join(lines)) from None


def _told(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Return the errors without those that another one causes: a list whose entries are wrong counts as too short."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(loc[:-1] == detail["loc"] for loc in places if loc)
    ]


def _line(place: str, detail: ErrorDetails) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or "(top)"
    if detail["type"] == "extra_forbidden":
        section, name = ".".join(map(str, detail["loc"][:-1])), str(detail["loc"][-1])
        known = known_keys()
        meant = hint_for_key(section, name, known)
        return f"{place}: {where}: unknown key.{meant} Known keys: {', '.join(known[section])}."
    if detail["type"] == "missing":
        return f"{place}: {where}: missing. Add it."
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error":
        # What contradicts across sections has no place of its own, and its message begins with one.
        return f"{place}: {where}: {message}" if detail["loc"] else f"{place}: {message}"
    found = detail["input"]
    words = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
    meant = hint(found, words) if isinstance(found, str) else ""
    return f"{place}: {where}: found {found!r}. {message}.{meant}"


def known_keys() -> dict[str, list[str]]:
    """Return the keys of each section; those of the top level are under the empty name."""
    fields = {field.alias or name: field for name, field in Params.model_fields.items()}
    keys = {"": sorted(fields)}
    for name, field in fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            keys[name] = sorted(part.alias or own for own, part in model.model_fields.items())
    return keys
