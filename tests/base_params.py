"""Params for tests: complete, and the same whatever set and numbers a project has in force.

They start from `base_params.yaml`, so that a test gives only the values that it is about.
"""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML

from ocrnet.config import Params
from ocrnet.config.base import Section
from ocrnet.config.params_file import parse_params

AnySection = TypeVar("AnySection", bound=Section)
NAMES = {field.annotation: field.alias or name for name, field in Params.model_fields.items()}


def full_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a complete `params.yaml`: the given ones, laid key by key over those of the base."""
    full = deepcopy(_base())
    for name, given in values.items():
        both = isinstance(given, Mapping) and name in full
        full[name] = {**full[name], **given} if both else given
    return full


def params_with(values: Mapping[str, Any]) -> Params:
    """Return params with the given values, checked as those of `params.yaml` are.

    Raises:
        ParamsError: A key or value is wrong.
    """
    return parse_params(full_values(values))


def section_with(kind: type[AnySection], **values: Any) -> AnySection:
    """Return one section of the params with the given values.

    Raises:
        ValidationError: A key or value is wrong.
    """
    return kind.model_validate({**_base()[NAMES[kind]], **values})


def write_params(path: Path, values: Mapping[str, Any]) -> None:
    """Write a complete `params.yaml` with the given values."""
    yaml = YAML()
    yaml.width = 4096
    yaml.dump(full_values(values), path)


@cache
def _base() -> dict[str, Any]:
    base: dict[str, Any] = YAML(typ="safe").load(Path(__file__).with_name("base_params.yaml"))
    return base
