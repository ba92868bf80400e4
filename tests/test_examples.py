"""The examples in docstrings give what they print."""

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [
    path.relative_to(ROOT)
    for package in ("ocrnet", "pipelines")
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_examples_print_what_the_docstring_says(path: Path) -> None:
    module = import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
    result = doctest.testmod(module)
    assert result.attempted, f"{path}: no example of it was found"
    assert not result.failed


@pytest.mark.parametrize("path", FILES, ids=str)
def test_examples_have_a_heading_which_the_reference_reads(path: Path) -> None:
    """Without it a list that is printed would become a link in the Python reference."""
    assert not re.findall(r"\n\n +>>> .*", (ROOT / path).read_text())
