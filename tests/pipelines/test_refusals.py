"""What can be known early is told early: every refusal of a stage is classed by who could have told it before."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ocrnet import errors
from ocrnet.preflight import later_stages
from ocrnet.raw import findings

from .test_graph import STAGES, code_of, named_keys

TABLE = Path(__file__).with_name("refusals.txt")
CLASSES = {"first", "params", "told", "files", "outcome", "machine", "command"}
KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.OcrnetError)
}


class Entry(NamedTuple):
    """A line of the table."""

    file: str
    function: str  # empty: the whole file or folder
    number: int
    kind: str  # empty: of any class of errors
    told: str
    what: tuple[str, ...]


class Place(NamedTuple):
    """Where the code makes an error."""

    file: str
    function: str
    kind: str


def entries() -> list[Entry]:
    found = []
    for line in TABLE.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        where, what, why = (part.strip() for part in line.split(" : ", 2))
        assert why, line
        parts = where.split()
        file, name, count, kind = (*parts, *("", "0", "")[len(parts) - 1 :])
        told, *keys = what.split()
        found.append(Entry(file, name, int(count), kind, told, tuple(keys)))
    return found


def refusals() -> Counter[Place]:
    """Return the errors of ours that the code of the stages makes, by function; most are raised where they are made."""
    files = sorted(set().union(*(code_of(stage) for stage in STAGES)))
    return Counter(
        Place(file, function, kind)
        for file in files
        for function, kind in made_in(ast.parse(Path(file).read_text()), ())
    )


def made_in(node: ast.AST, around: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        inside = around
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inside = (*around, child.name)
        if (
            isinstance(child, ast.Call)
            and isinstance(child.func, ast.Name)
            and child.func.id in KINDS
        ):
            yield ".".join(around), child.func.id
        yield from made_in(child, inside)


def of_whole_files(table: list[Entry], file: str) -> bool:
    return any(
        not entry.function and (file == entry.file or file.startswith(entry.file + "/"))
        for entry in table
    )


def test_every_refusal_has_its_line() -> None:
    """A new one asks its author: could an earlier stage, or the check of the params, have known?"""
    table, code = entries(), refusals()
    by_function: Counter[tuple[str, str]] = Counter()
    for place, count in code.items():
        if not of_whole_files(table, place.file):
            by_function[place.file, place.function] += count
    lines: Counter[tuple[str, str]] = Counter()
    for entry in table:
        if entry.function:
            lines[entry.file, entry.function] += entry.number
    assert {key: n for key, n in by_function.items() if lines[key] != n} == {}
    assert set(lines) - set(by_function) == set(), "lines without a refusal"


def test_no_line_is_of_a_file_without_refusals() -> None:
    files = {place.file for place in refusals()}
    whole = [
        entry.file for entry in entries() if not entry.function and entry.file != "ocrnet/config"
    ]
    assert [f for f in whole if not any(x == f or x.startswith(f + "/") for x in files)] == []


@pytest.mark.parametrize("entry", [e for e in entries() if e.told == "params"])
def test_what_the_params_tell_is_checked_again_when_they_change(entry: Entry) -> None:
    assert entry.what
    assert set(entry.what) <= named_keys("validate")


@pytest.mark.parametrize("entry", [e for e in entries() if e.told == "told"])
def test_what_an_earlier_stage_tells_has_its_code(entry: Entry) -> None:
    known = set(re.findall(r"\| (E\d+) \|", f"{findings.__doc__}{later_stages.__doc__}"))
    assert entry.what
    assert set(entry.what) <= known


def test_there_are_no_other_classes() -> None:
    assert {entry.told for entry in entries()} <= CLASSES
