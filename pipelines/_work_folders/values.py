"""Params with some keys replaced."""

from collections.abc import Mapping
from typing import Any

from ocrnet.config import Params
from ocrnet.config.params_file import parse_params
from ocrnet.errors import ParamsError


def with_values(params: Params, values: Mapping[str, Any], *, place: str) -> Params:
    """Return params with some dotted keys replaced.

    Raises:
        ParamsError: A key is unknown or a value wrong; `place` says where it was written.
    """
    tree = params.model_dump(by_alias=True)
    for key, value in values.items():
        *sections, last = key.split(".")
        node = tree
        for section in sections:
            node = node.get(section) if isinstance(node, dict) else None  # type: ignore[assignment]
        if not isinstance(node, dict):
            raise ParamsError(f"{place}: {key} is no key of the params. Write it as train.lr.")
        node[last] = value
    return parse_params(tree, place=place)
