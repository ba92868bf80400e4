"""Reading of `params.yaml`, which has every key: missing, renamed and unknown keys are refused, all at once."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ocrnet.config import Params
from ocrnet.config.allowed import allowed_words
from ocrnet.config.renamed import RENAMED, renamed_words
from ocrnet.errors import ParamsError
from ocrnet.errors.near_names import hint, hint_for_key


def load_params(path: Path) -> Params:
    """Read `params.yaml`.

    Raises:
        ParamsError: A key or value is wrong; one line for each, one line for all missing keys.
    """
    try:
        raw = read_yaml(path, YAML(typ="safe"))
    except FileNotFoundError:
        raise ParamsError(
            f"{path}: the file is missing. Run the stage from the repository root."
        ) from None
    return parse_params(raw, place=path.name)


def read_yaml(path: Path, yaml: YAML) -> Any:
    """Read a YAML file.

    Args:
        path: Path of the file.
        yaml: Reader to use.

    Raises:
        FileNotFoundError: The file does not exist.
        ParamsError: The file is not text or not YAML.
    """
    try:
        return yaml.load(path)
    except UnicodeDecodeError as error:
        raise ParamsError(
            f"{path}: the file is not UTF-8 ({error.reason}). Save it as UTF-8."
        ) from None
    except YAMLError as error:
        reason = " ".join(str(error).split())
        cure = " Indent with spaces, not with tabs." if "\\t" in reason else ""
        raise ParamsError(f"{path}: the file is not YAML: {reason}{cure}") from None


def parse_params(raw: Any, *, place: str = "params.yaml") -> Params:
    """Check a mapping like `load_params`.

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
        details = _told(error.errors())
        missing = [_where(detail) for detail in details if detail["type"] == "missing"]
        lines = [_line(place, detail) for detail in details if detail["type"] != "missing"]
        lines += [_missing_line(place, missing)] if missing else []
        raise ParamsError("\n".join(lines)) from None


def _told(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Return the errors that no other error causes.

    pydantic also reports a list with wrong entries as too short, and a renamed key as missing.
    """
    parents = {detail["loc"][:-1] for detail in details if detail["loc"]}
    renamed = {RENAMED.get(_where(detail)) for detail in details}
    return [
        detail
        for detail in details
        if not (detail["type"] == "too_short" and detail["loc"] in parents)
        and not (detail["type"] == "missing" and _where(detail) in renamed)
    ]


def _where(detail: ErrorDetails) -> str:
    return ".".join(str(part) for part in detail["loc"]) or "(top)"


def _missing_line(place: str, keys: Sequence[str]) -> str:
    if len(keys) == 1:
        return f"{place}: {keys[0]} is missing. Add it; allowed is {allowed_words(keys[0])}."
    each = "; ".join(f"{key}: {allowed_words(key)}" for key in keys)
    return f"{place}: {', '.join(keys)} are missing. Add them; allowed are {each}."


def _line(place: str, detail: ErrorDetails) -> str:
    where = _where(detail)
    if detail["type"] == "extra_forbidden":
        if (renamed := renamed_words(where)) is not None:
            return f"{place}: {where}: {renamed}"
        section, name = ".".join(map(str, detail["loc"][:-1])), str(detail["loc"][-1])
        known = known_keys()
        meant = hint_for_key(section, name, known)
        return f"{place}: {where}: unknown key.{meant} Known keys: {', '.join(known[section])}."
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error":
        # A contradiction between sections has no location; its message starts with the key.
        return f"{place}: {where}: {message}" if detail["loc"] else f"{place}: {message}"
    found = detail["input"]
    words = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
    meant = hint(found, words) if isinstance(found, str) else ""
    return f"{place}: {where}: found {found!r}. {message}.{meant}"


def known_keys() -> dict[str, list[str]]:
    """Return the keys of each section; top-level keys are under the empty name."""
    fields = {field.alias or name: field for name, field in Params.model_fields.items()}
    keys = {"": sorted(fields)}
    for name, field in fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            keys[name] = sorted(part.alias or own for own, part in model.model_fields.items())
    return keys
