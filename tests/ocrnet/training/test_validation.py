"""Validation gives one confusion matrix, whatever splits the images and however large they are."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from ocrnet.training.dataset import ImageFolder
from ocrnet.training.validation import score_folder
from tests.ocrnet.conftest import write_toy_set
from tests.ocrnet.toy_models import ColourNet, PaddingNet

ZERO, ONE = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images smaller than a network takes, three of them: not as many as two ranks share evenly."""
    root = tmp_path_factory.mktemp("small")
    return write_toy_set(root, counts={"train": 1, "val": 3}, size=(50, 70))


def confusion_of(folder: Path) -> NDArray[np.int64]:
    val = ImageFolder.read(folder, split="val")
    return score_folder(ColourNet(), val, num_classes=3, ignore_index=255, mean=ZERO, std=ONE)


def test_every_pixel_that_is_not_ignored_is_counted_once(folder: Path) -> None:
    confusion = confusion_of(folder)
    assert confusion.sum() == 3 * 48 * 70  # the last two rows of each label map are ignored
    val = ImageFolder.read(folder, split="val")
    by_hand = np.zeros((3, 3), np.int64)
    for index in range(3):
        item = val.item(index)
        predicted = item.image.argmax(
            axis=2
        )  # ColourNet takes the brightest channel, the first of equals
        for truth in range(3):
            for label in range(3):
                where = (item.label_map == truth) & (predicted == label)
                by_hand[truth, label] += int(where.sum())
    assert (confusion == by_hand).all()


def test_padding_is_never_counted(folder: Path) -> None:
    val = ImageFolder.read(folder, split="val")
    mean = torch.full((1, 3, 1, 1), -1.0)  # no pixel is as dark as padding
    confusion = score_folder(PaddingNet(), val, num_classes=3, ignore_index=255, mean=mean, std=ONE)
    assert confusion[:, 1].sum() == 0
    assert confusion.sum() == 3 * 48 * 70


def _rank(rank: int, *, root: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{root / 'group'}", rank=rank, world_size=2)
    np.save(root / f"confusion{rank}.npy", confusion_of(folder))
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_have_the_matrix_of_one(folder: Path, tmp_path: Path) -> None:
    run = partial(_rank, root=tmp_path, folder=folder)
    torch.multiprocessing.spawn(run, nprocs=2)  # type: ignore[attr-defined, no-untyped-call]
    alone = confusion_of(folder)
    for rank in (0, 1):
        saved = np.load(tmp_path / f"confusion{rank}.npy")
        assert saved.dtype == np.int64
        assert (saved == alone).all()
