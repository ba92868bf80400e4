"""The automations that end the runs of a dead host."""

from fnmatch import fnmatchcase

import pytest

from pipelines.flows.server_setup import ENDED


def is_an_end(state: str) -> bool:
    """Tell whether an automation takes a state for the end of a run, by the patterns of Prefect's events."""
    return any(fnmatchcase(state, pattern) for pattern in ENDED)


@pytest.mark.parametrize(
    "state", ["Completed", "Failed", "Cancelled", "Crashed", "Declined", "Exit2", "Exit137"]
)
def test_a_run_that_ended_is_not_waited_for(state: str) -> None:
    """Prefect names the event by the name of the state, which a stage chooses when it fails."""
    assert is_an_end(state)


@pytest.mark.parametrize("state", ["Running", "Pending", "Submitting", "Cancelling", "Scheduled"])
def test_a_run_that_has_not_ended_is_waited_for(state: str) -> None:
    assert not is_an_end(state)
