"""A checkpoint is whole or not there, and an object in it is not unpickled."""

import pickle
from pathlib import Path

import pytest
import torch

from ocrnet.checkpoint import FILE, CheckpointStore


def test_a_state_comes_back_equal(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "run")
    assert store.load() is None
    state = {"step": 3, "weights": {"w": torch.randn(2, 3)}, "lines": ['{"step": 1}'], "best": None}
    store.save(state)
    loaded = store.load()
    assert loaded is not None
    assert torch.equal(loaded.pop("weights")["w"], state.pop("weights")["w"])  # type: ignore[index]
    assert loaded == state


def test_a_write_that_was_cut_off_leaves_the_last_state(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save({"step": 1})
    (tmp_path / f"{FILE}.partial").write_bytes(b"half")
    assert store.load() == {"step": 1}


def test_a_cleared_store_is_empty_and_may_be_cleared_again(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save({"step": 1})
    store.clear()
    store.clear()
    assert store.load() is None


def test_an_object_is_not_unpickled(tmp_path: Path) -> None:
    torch.save({"step": Path("x")}, tmp_path / FILE)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        CheckpointStore(tmp_path).load()
