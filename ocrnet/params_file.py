"""Reading `params.yaml`: unknown keys are refused with the list of known ones, and all errors are told at once."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ocrnet.config import Params
from ocrnet.errors import ParamsError


def load_params(path: Path) -> Params:
    """Read `params.yaml`.

    Raises:
        ParamsError: with one line per wrong key or value.
    """
    try:
        raw = YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise ParamsError(
            f"{path}: no such file. Run the stage from the repository root."
        ) from None
    except YAMLError as error:
        raise ParamsError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    return parse_params(raw, place=path.name)


def parse_params(raw: Any, *, place: str = "params.yaml") -> Params:
    """Check a mapping as `load_params` does a file.

    Raises:
        ParamsError: with one line per wrong key or value.
    """
    if not isinstance(raw, dict):
        raise ParamsError(
            f"{place}: found {type(raw).__name__}, expected sections such as data: and train:."
        )
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise ParamsError("\n".join(_line(place, detail) for detail in error.errors())) from None


def _line(place: str, detail: ErrorDetails) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or "(top)"
    if detail["type"] == "extra_forbidden":
        known = ", ".join(_known_keys(detail["loc"][:-1]))
        return f"{place}: {where}: unknown key. Known keys: {known}."
    if detail["type"] == "missing":
        return f"{place}: {where}: missing. Add it."
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error":
        # What contradicts across sections has no place of its own, and its message begins with one.
        return f"{place}: {where}: {message}" if detail["loc"] else f"{place}: {message}"
    return f"{place}: {where}: found {detail['input']!r}. {message}."


def _known_keys(loc: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Params
    for part in loc:
        names = {field.alias or name: field for name, field in model.model_fields.items()}
        annotation = names[str(part)].annotation
        assert isinstance(annotation, type)
        assert issubclass(annotation, BaseModel)
        model = annotation
    return sorted(field.alias or name for name, field in model.model_fields.items())
