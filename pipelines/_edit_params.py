"""Write values into `params.yaml` by dotted keys, and keep its comments."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ocrnet.config.params_file import known_keys
from ocrnet.config.renamed import old_name, renamed_words
from ocrnet.data.files import whole_file
from ocrnet.errors import ParamsError
from ocrnet.errors.near_names import hint, hint_for_key


def leaves_of(values: Any, *, place: str) -> dict[str, Any]:
    """Return the values of a set of params, leaf by leaf under dotted keys.

    `train_gan: {steps: 6}` means `train_gan.steps: 6`: replacing the section by a block would delete its other keys.

    Args:
        values: Content of the file: dotted keys, blocks of a section, or both.
        place: Name of the file, for messages.

    Raises:
        ParamsError: The content is not a mapping, a section has no keys, or a key is given twice.
    """
    if values is None:
        raise ParamsError(f"{place}: the file is empty. Write keys such as train.steps: 500.")
    if not isinstance(values, dict):
        raise ParamsError(f"{place}: found no keys. Write lines such as train.steps: 500.")
    sections = known_keys()
    leaves: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key)
        if name not in sections or name == "":
            pairs = {name: value}
        elif isinstance(value, dict) and value:
            pairs = {f"{name}.{leaf}": item for leaf, item in value.items()}
        else:
            keys = sections[name]
            raise ParamsError(
                f"{place}: {name}: found {value!r}, but {name} is a section. Name its keys, such as {name}.{keys[0]}."
            )
        twice = sorted(set(pairs) & set(leaves))
        if twice:
            raise ParamsError(f"{place}: {twice[0]}: found this key twice. Keep one of them.")
        leaves |= pairs
    return leaves


def put_values(params: Path, values: Any, *, place: str) -> tuple[dict[str, Any], list[str]]:
    """Put values into the params and return them as plain containers, with the keys that changed.

    The file is not written: see `write_values`.

    Args:
        params: Path of `params.yaml`.
        values: New values, by dotted keys or in blocks of a section, in the form that `leaves_of` reads.
        place: Name of their source, for messages.

    Raises:
        ParamsError: The values are not such a mapping, or a key is not in the file.
    """
    document = _yaml().load(params)
    changed = _put_all(document, values, place)
    return _plain(document), changed


def write_values(params: Path, values: Any, *, place: str) -> list[str]:
    """Put values into the file, in the form that `put_values` reads, and return the keys that changed.

    Raises:
        ParamsError: The values are not such a mapping, or a key is not in the file; then nothing is written.
    """
    yaml = _yaml()
    document = yaml.load(params)
    changed = _put_all(document, values, place)
    if changed:
        text = StringIO()
        yaml.dump(document, text)
        with whole_file(params.resolve()) as partial:
            partial.write_text(text.getvalue(), encoding="utf-8")
    return changed


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    return yaml


def _put_all(document: Any, values: Any, place: str) -> list[str]:
    leaves = leaves_of(values, place=place)
    return [key for key, value in leaves.items() if _put(document, key, value, place=place)]


def _put(document: Any, key: str, value: Any, *, place: str) -> bool:
    if not _can_be_written(key, value):
        raise ParamsError(
            f"{place}: {key!a}: found {value!a}. Give text, numbers, or lists of them."
        )
    *sections, leaf = key.split(".")
    node = document
    for section in sections:
        node = node.get(section) if isinstance(node, dict) else None
    if not isinstance(node, dict) or leaf not in node:
        shown = key if key.isprintable() else ascii(key)
        if (renamed := renamed_words(key)) is not None:
            raise ParamsError(f"{place}: {shown}: {renamed}")
        raise ParamsError(f"{place}: {shown}: params.yaml has no such key.{_meant(document, key)}")
    if node[leaf] == value:
        return False
    node[leaf] = value
    return True


def _meant(document: Any, key: str) -> str:
    """Return a hint with keys of the file that resemble a wrong key."""
    known = {"": [str(name) for name in document]}
    for section, value in document.items():
        if isinstance(value, dict):
            known[str(section)] = [str(name) for name in value]
    section, _, leaf = key.rpartition(".")
    old_section, _, old_leaf = (old_name(key) or "").rpartition(".")
    if old_leaf in known.get(old_section, ()):
        return (
            f" It has {old_section}.{old_leaf}, which {renamed_words(f'{old_section}.{old_leaf}')}"
        )
    if section not in known:
        return hint(section, known) or " Add it there first."
    return hint_for_key(section, leaf, known) or " Add it there first."


def _can_be_written(*values: Any) -> bool:
    try:
        json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return node
