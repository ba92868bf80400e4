"""What is written comes back: no text is taken for a missing value or a number."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrnet.data.csv_tables import read_csv_table, write_csv_table

ODD = [
    "None", "NA", "N/A", "nan", "NaN", "null", "", "#N/A", "-inf", "True", "007", "1e5", "a\rb", "a\nb", 'q"x', "a,b",
    " x ", "é", "\ufeffx", "#x", "<NA>", "-1.#IND",
]  # fmt: skip


def there_and_back(path: Path, ids: list[str]) -> list[str]:
    write_csv_table(path, pd.DataFrame({"id": ids, "n": range(len(ids))}))
    table = read_csv_table(path, text=("id",))
    assert table["n"].tolist() == list(range(len(ids)))
    found: list[str] = table["id"].tolist()
    return found


def test_ids_are_text_whatever_they_say(tmp_path: Path) -> None:
    assert there_and_back(tmp_path / "a.csv", ODD) == ODD


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    assert there_and_back(tmp_path_factory.mktemp("any") / "a.csv", ids) == ids


def test_numbers_are_numbers_and_an_empty_field_is_a_missing_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    table = pd.DataFrame(
        {"id": ["a", "b"], "whole": [2**63, 1], "part": [0.5, None], "none": [None, None]}
    )
    write_csv_table(path, table)
    found = read_csv_table(path, text=("id",))
    assert found["whole"].tolist() == [2**63, 1]
    assert found["part"].isna().tolist() == [False, True]
    assert found["none"].isna().all()


def test_no_other_reader_of_tables_is_used() -> None:
    files = [path for folder in ("ocrnet", "pipelines") for path in Path(folder).rglob("*.py")]
    words = ("read_csv(", ".to_csv(", "csv.reader(", "DictReader(")
    using = {path.as_posix() for path in files for word in words if word in path.read_text()}
    # The class table of another program is read as text alone, and its columns may be written in any case.
    assert using == {"ocrnet/data/csv_tables.py", "ocrnet/auto_config/class_table.py"}
