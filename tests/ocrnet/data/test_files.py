"""A file is written whole or not at all, and its mode is that of the umask, whoever writes it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from ocrnet.bundles.bundle import build_model, save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.checkpoint import CheckpointStore
from ocrnet.data.files import whole_file, write_whole
from ocrnet.gan.generator.network import Generator
from ocrnet.gan.generator.painter import Painter, save_painter
from tests.ocrnet.conftest import CLASSES
from tests.ocrnet.gan.generator.test_networks import TINY
from tests.ocrnet.gan.prepared import TABLE


@pytest.fixture(params=[0o002, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def a_bundle(folder: Path) -> None:
    card = ModelCard("unet", {"backbone": "resnet18", "mid_channels": 8}, CLASSES)
    save_bundle(folder, card, build_model(card).state_dict())


def a_generator(folder: Path) -> None:
    painter = Painter(Generator(2, TINY), TABLE)
    save_painter(folder, painter, arch="oasis", preset_name="cpu-demo")


def a_checkpoint(folder: Path) -> None:
    CheckpointStore(folder).save({"step": 1, "weights": torch.zeros(2)})


@pytest.mark.parametrize("write", [a_bundle, a_generator, a_checkpoint])
def test_the_umask_alone_decides_who_may_read(
    tmp_path: Path, umask: int, write: Callable[[Path], None]
) -> None:
    for _ in range(2):  # made, and replaced
        write(tmp_path / "out")
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()}
        assert modes == dict.fromkeys(modes, 0o666 & ~umask)
        assert not [name for name in modes if name.endswith(".partial")]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, "old")

    def fail() -> None:
        with whole_file(path) as partial:
            partial.write_text("half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["a.json"]


def test_a_secret_is_never_readable_for_others(tmp_path: Path) -> None:
    """Not while it is written either, whatever the umask allows."""
    before = os.umask(0)
    try:
        with whole_file(tmp_path / "password", mode=0o600) as partial:
            partial.write_text("secret")
            assert partial.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
    assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600
