"""The command lists what params.yaml may say, and what each name is."""

import pytest

from ocrnet.preflight.names import TABLES
from pipelines.components import choices, main


def test_every_name_of_a_component_is_described() -> None:
    """A component without a description would be a line that helps nobody."""
    for key, table in TABLES.items():
        described = choices()[key]
        assert list(described) == list(table)
        if all(isinstance(entry, str) for entry in table.values()):
            assert all(described.values()), key


def test_one_key_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train.optimizer"]) == 0
    assert capsys.readouterr().out == "train.optimizer: sgd | adamw\n"


def test_a_key_that_names_nothing_gets_a_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model.ach"]) == 2
    assert "Did you mean 'model.arch'?" in capsys.readouterr().err
