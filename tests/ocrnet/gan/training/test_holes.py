"""Holes in training images: where they are, what the generator sees, and which pixels the losses are about."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import TrainGanParams
from ocrnet.data.decode import read_image, read_label_map, write_image
from ocrnet.data.manifest import read_manifest
from ocrnet.gan.generator.holes import seen_channels, with_rim
from ocrnet.gan.generator.painter import Painter, load_painter
from ocrnet.gan.generator.presets import PRESETS
from ocrnet.gan.training.augment import IGNORED
from ocrnet.gan.training.batches import Pairs
from ocrnet.gan.training.gan_objective import StepInputs
from ocrnet.gan.training.holes import draw_hole
from ocrnet.gan.training.rng import BatchRng
from ocrnet.gan.training.step import GanTrainer
from ocrnet.gan.training.train import train_gan
from ocrnet.record import Recorder
from tests.base_params import section_with
from tests.ocrnet.gan.generator.test_networks import TINY
from tests.ocrnet.gan.prepared import write_prepared

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _tiny_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "cpu-demo", TINY)


def params_of(**changes: Any) -> TrainGanParams:
    values = {"steps": 3, "batch_size": 4, "crop_size": [12, 16], "val_interval": 3,
              "checkpoint_interval": 3, "log_interval": 3, "labelmix_interval": 2,
              "holes": 0.5}  # fmt: skip
    return section_with(TrainGanParams, **{**values, **changes})


def train(prepared: Path, out: Path, params: TrainGanParams) -> Painter:
    train_gan(
        prepared, params, crop_size=(16, 16), out=out, recorder=Recorder(out),
        store=CheckpointStore(out.parent / "state"),
    )  # fmt: skip
    return load_painter(out)


def test_a_rim_is_as_wide_as_asked() -> None:
    region = np.zeros((9, 9), dtype=bool)
    region[4, 4] = True
    y, x = np.mgrid[:9, :9] - 4
    assert np.array_equal(with_rim(region, 0), region)
    assert np.array_equal(with_rim(region, 1), np.abs(y) + np.abs(x) <= 1)
    grown = with_rim(region, 3)
    assert grown[4].tolist() == grown[:, 4].tolist() == (np.abs(np.arange(9) - 4) <= 3).tolist()


def test_a_hole_is_around_an_object_or_as_large_elsewhere() -> None:
    label_map = np.zeros((40, 40), dtype=np.uint8)
    label_map[10:16, 20:28] = 1
    around = 0
    for index in range(60):
        hole = draw_hole(label_map, num_classes=2, rng=np.random.default_rng(index))
        if hole[label_map == 1].all():
            around += 1
            assert hole[9:17, 20:28].all(), "the rim has a pixel or more"
            assert not hole[:4].any()
            assert not hole[22:].any(), "and five at most"
    # Three of four holes are not moved; three standard deviations.
    assert abs(around - 45) <= 3 * (60 * 0.75 * 0.25) ** 0.5


def test_a_window_without_an_object_gets_a_hole_as_well() -> None:
    plain = np.zeros((24, 32), dtype=np.uint8)
    shares = [
        draw_hole(plain, num_classes=2, rng=np.random.default_rng(index)).mean()
        for index in range(30)
    ]
    assert min(shares) > 0
    assert max(shares) < 0.7


def test_holes_change_nothing_else_of_a_batch(tmp_path: Path) -> None:
    pairs = Pairs(write_prepared(tmp_path / "prepared"), "train")
    options: dict[str, Any] = {
        "seed": 0,
        "count": 8,
        "size": (12, 16),
        "flip": True,
        "rare_crops": 0.5,
    }
    whole = 0
    for step in range(25):
        plain, holed = (pairs.batch(step, **options, holes=share) for share in (0.0, 0.25))
        assert plain.holes is None
        assert holed.holes is not None
        assert plain.ids == holed.ids
        assert torch.equal(plain.images, holed.images)
        whole += int(holed.holes.flatten(1).all(dim=1).sum())
    # 200 images, three of four of them painted whole; three standard deviations.
    assert abs(whole - 150) <= 3 * (200 * 0.25 * 0.75) ** 0.5


def test_the_generator_sees_no_pixel_of_the_hole() -> None:
    image = torch.rand(1, 3, 4, 4)
    hole = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    hole[..., 1:3, 1:3] = True
    seen = seen_channels(image, hole)
    assert torch.equal(seen, seen_channels(torch.where(hole, 0.7, image), hole))
    # In the place of the hole are the colours around it; an image that is one hole has none.
    plain = seen_channels(torch.full((1, 3, 7, 5), 0.25), with_hole(7, 5, at=(2, 5)))
    assert torch.allclose(plain[:, :3], torch.tensor(0.25))
    halves = torch.ones(1, 3, 8, 8)
    halves[..., :4] = -1
    filled = seen_channels(halves, with_hole(8, 8, at=(2, 6)))
    assert (filled[:, :3, 2:6, 2] < 0).all()
    assert (filled[:, :3, 2:6, 5] > 0).all()
    whole = seen_channels(image, torch.ones_like(hole))
    assert (whole[:, :3] == 0).all()
    assert torch.equal(seen[:, 3:], hole.float())
    assert torch.equal(seen[:, :3, 0], image[:, :, 0])


def with_hole(height: int, width: int, *, at: tuple[int, int]) -> torch.Tensor:
    hole = torch.zeros(1, 1, height, width, dtype=torch.bool)
    hole[..., slice(*at), slice(*at)] = True
    return hole


def inputs_of(holes: torch.Tensor | None) -> StepInputs:
    label_maps = torch.tensor([[[0, 1]], [[1, 255]]])
    return StepInputs(
        0, torch.zeros(2, 3, 1, 2), label_maps, BatchRng("t", count=2), params_of(holes=0.25),
        holes=holes,
    )  # fmt: skip


def test_losses_are_about_the_painted_pixels_alone() -> None:
    """The first image has a hole on its right, the second is painted whole."""
    holes = torch.tensor([[[[False, True]]], [[[True, True]]]])
    (whole_share, whole), (hole_share, hole) = inputs_of(holes).painted()
    assert (whole_share, hole_share) == (0.75, 0.25)
    assert whole.tolist() == [[[IGNORED, IGNORED]], [[1, 255]]]
    assert hole.tolist() == [[[IGNORED, 1]], [[IGNORED, IGNORED]]]
    ((share, everything),) = inputs_of(None).painted()
    assert (share, everything.tolist()) == (1.0, [[[0, 1]], [[1, 255]]])


@pytest.mark.parametrize("arch", ["oasis", "pix2pix"])
def test_the_discriminator_gets_real_pixels_around_the_hole(tmp_path: Path, arch: str) -> None:
    """So no loss changes if the generator paints other pixels there: its bias reaches the hole alone."""
    pairs = Pairs(write_prepared(tmp_path / "prepared"), "train")
    params = params_of(arch=arch, holes=1.0, color_jitter=0.0, translate=0.0)
    batch = pairs.batch(0, seed=0, count=4, size=(12, 16), flip=False, rare_crops=1.0, holes=1.0)
    trainer = GanTrainer(2, params, device=CPU)
    shown: list[torch.Tensor] = []
    trainer.discriminator.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    trainer.step(0, batch)
    assert batch.holes is not None
    fakes = shown[0]
    kept = (~batch.holes).expand_as(fakes)
    assert kept.any()
    assert torch.equal(fakes[kept], batch.images[kept])
    assert not torch.equal(fakes, batch.images)


def test_a_trained_painter_keeps_every_pixel_around_the_hole(tmp_path: Path) -> None:
    prepared = write_prepared(tmp_path / "prepared")
    painter = train(prepared, tmp_path / "out", params_of())
    assert painter.fills_holes
    row = read_manifest(prepared, split="val").iloc[0]
    image, label_map = (
        read_image(prepared / row["image"]),
        read_label_map(prepared / row["label_map"]),
    )
    hole = with_rim(label_map == 1, 2)
    filled = painter.fill(image, hole, label_map, seed=3)
    assert np.array_equal(filled[~hole], image[~hole])
    assert (filled != image).any()
    # It depends on what is around the hole, and not on what is in it.
    hidden = np.where(hole[..., None], np.uint8(7), image)
    assert np.array_equal(painter.fill(hidden, hole, label_map, seed=3), filled)
    darker = painter.fill(image // 2, hole, label_map, seed=3)
    assert not np.array_equal(darker[hole], filled[hole])


def write_tints(folder: Path) -> Path:
    """Write the prepared set with images of one gray each, from black to white, whatever their label maps show."""
    write_prepared(folder, train=6, val=4)
    for split, low, high in (("train", 30, 220), ("val", 45, 205)):
        table = read_manifest(folder, split=split)
        for path, gray in zip(table["image"], np.linspace(low, high, len(table)), strict=True):
            image = read_image(folder / path)
            write_image(folder / path, np.full_like(image, round(gray)))
    return folder


def test_a_hole_is_painted_coherently_with_its_surroundings(tmp_path: Path) -> None:
    """The label map does not tell the gray of an image, its surroundings do."""
    prepared = write_tints(tmp_path / "prepared")
    params = params_of(
        arch="pix2pix", holes=1.0, steps=100, batch_size=4, l1_weight=100.0, lr_generator=0.004,
        color_jitter=0.0, translate=0.0, val_interval=100, checkpoint_interval=100, ema_decay=0.9,
    )  # fmt: skip
    painter = train(prepared, tmp_path / "out", params)
    wanted, painted = [], []
    for _, row in read_manifest(prepared, split="val").iterrows():
        image = read_image(prepared / row["image"])
        label_map = read_label_map(prepared / row["label_map"])
        hole = with_rim(label_map == 1, 2)
        wanted.append(image.mean())
        painted.append(painter.fill(image, hole, label_map, seed=0)[hole].mean())
    assert np.corrcoef(wanted, painted)[0, 1] > 0.9
    assert max(painted) - min(painted) > 0.3 * (max(wanted) - min(wanted))
