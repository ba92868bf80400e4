"""What a stage depends on, read from `dvc.yaml`, the one place that says so."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

CODE_ROOT = Path(__file__).resolve().parents[2]
GRAPH = CODE_ROOT / "dvc.yaml"
CODE = ("ocrnet/", "pipelines/")
_FIELD = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class Node:
    """A stage as `dvc.yaml` has it.

    Args:
        cell: Names of the values of a matrix cell, in the order of the command's arguments.
        values: Param that lists the values of each name, such as `{"seed": "seeds"}`.
        params: Sections and dotted keys of `params.yaml` that the result depends on.
        data: Files and folders that it depends on, with fields such as `${seeds[0]}`.
        code: Files and folders of code that it depends on.
    """

    cell: tuple[str, ...]
    values: Mapping[str, str]
    params: tuple[str, ...]
    data: tuple[str, ...]
    code: tuple[str, ...]

    def inputs(self, params: Mapping[str, Any], cell: Sequence[str]) -> list[Path]:
        """Return the files and folders of data that one cell depends on.

        Args:
            params: Values of `params.yaml`, by section.
            cell: Values of the cell.
        """
        context = {**params, "item": dict(zip(self.cell, cell, strict=True))}
        return [
            Path(_FIELD.sub(lambda field: str(_look_up(field[1], context)), text))
            for text in self.data
        ]

    def uses(self, name: str) -> bool:
        """Tell whether the result depends on a dotted key of the params."""
        return any(name == use or name.startswith(use + ".") for use in self.params)

    def code_files(self) -> list[Path]:
        """Return the Python files of the code that it depends on."""
        places = [CODE_ROOT / entry for entry in self.code]
        return [
            file
            for place in places
            for file in (sorted(place.rglob("*.py")) if place.is_dir() else [place])
        ]


def read_node(stage: str, graph: Path = GRAPH) -> Node:
    """Read a stage's entry of `dvc.yaml`."""
    entry = YAML(typ="safe").load(graph)["stages"][stage]
    deps: list[str] = entry["deps"]
    matrix: dict[str, str] = entry.get("matrix", {})
    return Node(
        cell=tuple(re.findall(r"\$\{item\.(\w+)\}", entry["cmd"])),
        values={name: _FIELD.sub(r"\1", text) for name, text in matrix.items()},
        params=tuple(_keys(entry["params"])),
        data=tuple(dep for dep in deps if not dep.startswith(CODE)),
        code=tuple(dep for dep in deps if dep.startswith(CODE)),
    )


def _keys(entries: Sequence[str | Mapping[str, Sequence[str]]]) -> Iterator[str]:
    """Yield the keys of params: entries of DVC are keys, or lists of keys by the file that has them."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            for keys in entry.values():
                yield from keys


def read_order(params: Mapping[str, Any], graph: Path = GRAPH) -> list[str]:
    """Return the stages of `dvc.yaml` with their cells, in the order in which DVC runs them.

    Args:
        params: Values of `params.yaml`, by section.
        graph: Path of `dvc.yaml`.
    """
    names = []
    for stage, entry in YAML(typ="safe").load(graph)["stages"].items():
        lists = [
            [str(value) for value in _look_up(_FIELD.sub(r"\1", text), params)]
            for text in entry.get("matrix", {}).values()
        ]
        cells = ("-".join(cell) for cell in product(*lists))
        names += [f"{stage}@{cell}" if cell else stage for cell in cells]
    return names


def _look_up(field: str, context: Mapping[str, Any]) -> Any:
    """Return the value that a field names: `seeds[0]`, `data.path` or `item.arm`."""
    value: Any = context
    for name, number in re.findall(r"(\w+)|\[(\d+)\]", field):
        value = value[name] if name else value[int(number)]
    return value
