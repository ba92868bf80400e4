"""What a worker of the loader meets is one line, as without workers."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from ocrnet.errors import DataError, MachineError
from ocrnet.training import dataset
from ocrnet.training.batches import train_batches
from ocrnet.training.dataset import ImageFolder
from ocrnet.training.transforms import TrainTransform
from tests.ocrnet.conftest import CLASSES, toy_params


def draw_all(folder: Path, *, workers: int) -> int:
    params = toy_params(batch_size=4, steps=3, workers=workers)
    batches = train_batches(
        [ImageFolder.read(folder, split="train")],
        TrainTransform(params.train, crop_size=(64, 64), ignore_index=CLASSES.ignore_index),
        recipe=params.train,
        mix=params.retrain,
        seed=0,
    )
    return len(list(batches))


@pytest.fixture
def folder(toy_set: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy_set, tmp_path / "set"))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_file_is_one_line(folder: Path, workers: int) -> None:
    assert draw_all(folder, workers=workers) == 3
    for path in (folder / "images").glob("train_*.png"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"E121 .*images/train_\d\d\.png cannot be read") as caught:
        draw_all(folder, workers=workers)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_a_failing_machine_is_one_line(
    folder: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> np.ndarray:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    monkeypatch.setattr(dataset, "read_label_map", fail)
    with pytest.raises(MachineError, match=r"the machine failed: .*Too many open files") as caught:
        draw_all(folder, workers=workers)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bug_keeps_its_traceback(
    folder: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> np.ndarray:
        raise KeyError("label_map")

    monkeypatch.setattr(dataset, "read_label_map", fail)
    with pytest.raises(KeyError, match="label_map"):
        draw_all(folder, workers=workers)
