"""Components: the classes and functions that names in the params stand for.

A table of components maps each name to an import path, `module:attribute`, so that reading the names imports nothing.
`ocrnet/preflight/names.py` lists all tables by the keys of the params.
"""

import ast
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ocrnet.errors import ParamsError
from ocrnet.errors.near_names import hint

ROOT = Path(__file__).resolve().parents[1]


def load_component(table: Mapping[str, str], name: str, *, key: str) -> Any:
    """Return the class or the function that a name stands for.

    Args:
        table: Import paths by name.
        name: Name of the component.
        key: Key of the params with the name.

    Raises:
        ParamsError: The table has no such name.
    """
    if name not in table:
        raise ParamsError(
            f"{key}: {name!r} is unknown.{hint(name, table)} Known: {', '.join(table)}."
        )
    return load_path(table[name])


def load_path(path: str) -> Any:
    """Return the object of an import path, `module:attribute`."""
    module, attribute = path.split(":")
    return getattr(import_module(module), attribute)


def summary_of(path: str) -> str:
    """Return the first line of the docstring of an import path's object, without importing it."""
    module, attribute = path.split(":")
    source = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == attribute:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""
