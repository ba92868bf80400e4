"""List the names that params may have: `python -m pipelines.components [KEY]`.

A key such as `model.arch` names a component: a class or a function with a file of its own. A key such as
`train.optimizer` chooses among fixed words.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from ocrnet.components import summary_of
from ocrnet.config import Params
from ocrnet.errors import ParamsError
from ocrnet.errors.near_names import hint
from ocrnet.preflight.names import TABLES
from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import command


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = Parser(
        prog="python -m pipelines.components",
        description="List the names that params may have, such as the architectures of model.arch.",
    )
    found.add_argument(
        "key",
        metavar="KEY",
        nargs="?",
        help="Key of params.yaml, such as model.arch (default: all keys)",
    )
    return found


def choices() -> dict[str, dict[str, str]]:
    """Return the names that each key of the params may have, with a description of each."""
    tables = {
        key: {name: _describe(entry) for name, entry in table.items()}
        for key, table in TABLES.items()
    }
    return {**tables, **_fixed_words(Params)}


def _describe(entry: Any) -> str:
    """Return the first line about a component: that of its docstring, or the text in its table."""
    path = entry if isinstance(entry, str) else getattr(entry, "path", "")
    return summary_of(path) if path else getattr(entry, "words", "")


def _fixed_words(model: type[BaseModel], place: str = "") -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= _fixed_words(kind, f"{place}{name}.")
        elif get_origin(kind) is Literal:
            found[f"{place}{name}"] = dict.fromkeys(map(str, get_args(kind)), "")
    return found


def to_text(names: Mapping[str, Mapping[str, str]]) -> str:
    """Return a block of lines for each key."""
    lines = []
    for key, entries in names.items():
        width = max(map(len, entries))
        rows = [f"  {name:<{width}}  {words}".rstrip() for name, words in entries.items()]
        lines += [key, *rows] if any(entries.values()) else [f"{key}: {' | '.join(entries)}"]
    return "\n".join(lines)


@command("components")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    key, known = parser().parse_args(argv).key, choices()
    if key is not None and key not in known:
        raise ParamsError(
            f"{key!r}: this key does not name a component.{hint(key, known)} Known: {', '.join(known)}."
        )
    print(to_text(known if key is None else {key: known[key]}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
