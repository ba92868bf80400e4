"""Trials that fail before they train."""

from pathlib import Path

import pytest

from ocrnet.errors import TrainError
from pipelines._search.results import FAILED
from pipelines._search.search import Search, SearchRequest
from pipelines._search.space import read_space
from pipelines._search.trial_run import WorkFolder
from tests.base_params import params_with


def test_values_that_contradict_each_other_are_a_failed_trial(tmp_path: Path) -> None:
    """Each choice is valid with the other params, but no batch of 6 or 10 has 4 or 8 equal parts."""
    params = params_with({"model": {"norm": "group"}, "train": {"batch_size": 8}})
    axes = read_space(["train.batch_size=6|10", "train.accumulate=4|8"], params)
    request = SearchRequest((), 2, "mine", force=False, prune=True)
    with (tmp_path / "lock").open("ab") as lock:
        running = Search(request, axes, params, WorkFolder(tmp_path, "0" * 40, tmp_path, lock))
        assert [running._run_next() for _ in range(2)] == [0, 0]
        results = running.trials.results()
        assert [one.state for one in results] == [FAILED, FAILED]
        assert all("accumulate" in one.reason for one in results)
        assert not (tmp_path / "work").exists()
        with pytest.raises(TrainError, match="search mine: none of 2 trials is complete"):
            running.finish(tmp_path / "mine.yaml")
    assert not (tmp_path / "mine.yaml").exists()
