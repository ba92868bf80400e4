"""Writing values into `params.yaml` by dotted keys, with its comments kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ocrnet.errors import ParamsError


def put_values(
    params: Path, values: Mapping[str, Any], *, place: str
) -> tuple[dict[str, Any], list[str]]:
    """Put values under dotted keys and return the params as plain containers, with the keys that changed.

    The file is not written: see `write_values`.

    Raises:
        ParamsError: a key is not in the file.
    """
    document = _yaml().load(params)
    changed = _put_all(document, values, place)
    return _plain(document), changed


def write_values(params: Path, values: Mapping[str, Any], *, place: str) -> list[str]:
    """Put values under dotted keys into the file and return the keys that changed.

    Raises:
        ParamsError: a key is not in the file; nothing is written then.
    """
    yaml = _yaml()
    document = yaml.load(params)
    changed = _put_all(document, values, place)
    if changed:
        yaml.dump(document, params)
    return changed


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    return yaml


def _put_all(document: Any, values: Mapping[str, Any], place: str) -> list[str]:
    return [key for key, value in values.items() if _put(document, key, value, place=place)]


def _put(document: Any, key: str, value: Any, *, place: str) -> bool:
    *sections, leaf = key.split(".")
    node = document
    for section in sections:
        node = node.get(section) if isinstance(node, dict) else None
    if not isinstance(node, dict) or leaf not in node:
        raise ParamsError(f"{place}: {key}: params.yaml has no such key. Add it there first.")
    if node[leaf] == value:
        return False
    node[leaf] = value
    return True


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return node
