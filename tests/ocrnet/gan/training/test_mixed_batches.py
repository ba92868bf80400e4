"""Batches of labelled pairs and of pairs with pseudo-labels, and what the weights of pixels do in the losses."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import TrainGanParams
from ocrnet.data.decode import read_label_map
from ocrnet.data.manifest import MANIFEST_FILE, read_manifest
from ocrnet.data.pixel_weights import write_pixel_weights
from ocrnet.gan.generator.presets import PRESETS
from ocrnet.gan.training import gan_objective, labelmix, oasis, pix2pix
from ocrnet.gan.training.batches import Batch, Pairs
from ocrnet.gan.training.mixed_batches import MixedPairs
from ocrnet.gan.training.step import GanTrainer
from ocrnet.gan.training.train import train_gan
from ocrnet.record import Recorder
from tests.base_params import section_with
from tests.ocrnet.gan.generator.test_networks import TINY
from tests.ocrnet.gan.prepared import write_prepared
from tests.ocrnet.killed import killed_at

IGNORE = 255
CPU = torch.device("cpu")
SIZE = (12, 16)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def pseudo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs whose weights are the number of the column plus 1, times 10; row 3 has none."""
    folder = write_prepared(tmp_path_factory.mktemp("pseudo"), train=3, val=0)
    table = pd.read_csv(folder / MANIFEST_FILE)
    table["id"] = [f"pseudo_{i}" for i in range(3)]
    table["pixel_weights"] = [f"pixel_weights/{i}.png" for i in range(3)]
    (folder / "pixel_weights").mkdir()
    for _, row in table.iterrows():
        height, width = read_label_map(folder / row["label_map"]).shape
        weights = np.tile(10 * np.arange(1, width + 1), (height, 1)).astype(np.uint8)
        weights[3] = 0
        write_pixel_weights(folder / row["pixel_weights"], weights)
    table.to_csv(folder / MANIFEST_FILE, index=False)
    assert len(read_manifest(folder, split="train")) == 3
    return folder


def gan_params(**changes: Any) -> TrainGanParams:
    values = {"steps": 10, "batch_size": 4, "pairs": "data/pseudo_label/0/pairs", "pseudo_share": 0.5,
              "labelled_tail": 0.3, "crop_size": list(SIZE), "val_interval": 100, "checkpoint_interval": 2,
              "log_interval": 1, "labelmix_interval": 2}  # fmt: skip
    return section_with(TrainGanParams, **{**values, **changes})


def mixed(prepared: Path, pseudo: Path, **changes: Any) -> MixedPairs:
    pairs = Pairs(pseudo, "train", key=("pseudo",))
    return MixedPairs(Pairs(prepared, "train"), pairs, gan_params(**changes))


@pytest.mark.parametrize(
    ("changes", "of_pseudo"),
    [
        ({}, [2] * 7 + [0] * 3),
        ({"pseudo_share": 1.0, "labelled_tail": 0.5}, [4] * 5 + [0] * 5),
        ({"pseudo_share": 0.25, "labelled_tail": 0.0}, [1] * 10),
    ],
)
def test_the_last_share_of_the_steps_sees_labelled_pairs_alone(
    prepared: Path, pseudo: Path, changes: dict[str, Any], of_pseudo: list[int]
) -> None:
    pairs = mixed(prepared, pseudo, **changes)
    batches = [pairs.batch(step, size=SIZE) for step in range(14)]
    found = [sum(name.startswith("pseudo") for name in batch.ids) for batch in batches]
    assert found[:10] == of_pseudo
    assert found[10:] == [0] * 4, (
        "the statistics of the kept generator are those of labelled images"
    )
    assert all(len(batch.ids) == 4 for batch in batches)


def test_labelled_images_come_in_the_epochs_that_they_have_alone(
    prepared: Path, pseudo: Path
) -> None:
    both, alone = mixed(prepared, pseudo), MixedPairs(Pairs(prepared, "train"), None, gan_params())

    def labelled(pairs: MixedPairs) -> list[tuple[str, float]]:
        batches = [pairs.batch(step, size=SIZE) for step in range(10)]
        return [
            (name, float(image.sum()))
            for batch in batches
            for name, image in zip(batch.ids, batch.images, strict=True)
            if not name.startswith("pseudo")
        ]

    found = labelled(both)
    assert len(found) == 7 * 2 + 3 * 4
    assert found == labelled(alone)[: len(found)]


def test_without_pseudo_labels_batches_have_no_weights_and_are_those_of_the_labelled_pairs(
    prepared: Path,
) -> None:
    labelled, params = Pairs(prepared, "train"), gan_params()
    found = MixedPairs(labelled, None, params).batch(3, size=SIZE)
    wanted = labelled.batch(
        3, seed=params.seed, count=4, size=SIZE, flip=params.flip, rare_crops=params.rare_crops
    )
    assert found.weights is None
    assert found.ids == wanted.ids
    assert torch.equal(found.images, wanted.images)


def test_weights_are_cropped_and_mirrored_with_their_pixels(prepared: Path, pseudo: Path) -> None:
    """The image of a pair is made to tell the column: gray of its weight, so image and weights must agree."""
    pairs = Pairs(pseudo, "train")
    for index in range(3):
        image, label_map = pairs.read(index)
        columns = 10 * np.arange(1, image.shape[1] + 1)
        told = np.broadcast_to(columns[None, :, None], image.shape).astype(np.uint8)
        pairs._cache[index] = told, label_map
    batch = pairs.draw(range(12), seed=0, size=(10, 12), flip=True, rare_crops=0.5)
    assert batch.weights is not None
    valid = batch.label_maps != IGNORE
    gray = (batch.images[:, 0] + 1) / 2
    torch.testing.assert_close(gray[valid], batch.weights[valid])
    assert (batch.label_maps[batch.weights == 0] == IGNORE).all()
    assert (batch.weights == 0).any()
    steps = batch.weights[:, 0].diff(dim=1)[:, 0]
    assert set(steps.sign().tolist()) >= {-1, 1}, "some are mirrored"


def test_losses_by_hand_with_weights() -> None:
    """Softmax over (fake, 0, 1): pixel 0 is class 0 with p = 1/2, pixel 1 class 1 with p = 1/4."""
    logits = torch.tensor([[1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]).log().T.reshape(1, 3, 1, 2)
    label_maps, counted = torch.tensor([[[0, 1]]]), torch.tensor([[[0.25, 0.75]]])

    real = oasis.class_loss(logits, label_maps, torch.tensor([1.0, 3.0]), counted)
    fake = oasis.fake_loss(logits, counted)
    weights = oasis.class_weights(label_maps, num_classes=2, weight_max=9.0, counted=counted)
    l1 = gan_objective.l1_loss(torch.tensor([[[[1.0, 3.0]]]]), torch.zeros(1, 1, 1, 2), counted)
    cells = pix2pix.counted_cells(counted, cell=2)
    mixed_loss = labelmix.labelmix_loss(logits, torch.zeros_like(logits), counted)

    assert real.item() == pytest.approx(0.25 * math.log(2) + 0.75 * 3 * math.log(4))
    assert fake.item() == pytest.approx(math.log(4))
    assert weights.tolist() == pytest.approx([1 / (2 * 0.25), 1 / (2 * 0.75)])
    assert l1.item() == pytest.approx(0.25 * 1 + 0.75 * 3)
    assert cells.tolist() == [[[0.75]]]
    assert mixed_loss.item() == pytest.approx(math.log(2) ** 2 / 3)


@pytest.mark.parametrize("arch", ["oasis", "pix2pix"])
def test_equal_weights_change_no_loss_and_a_pixel_of_weight_zero_counts_as_an_ignored_one(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, arch: str
) -> None:
    monkeypatch.setitem(PRESETS, "cpu-demo", TINY)
    params = gan_params(arch=arch, translate=0.2, cutout=0.3)
    plain = Pairs(prepared, "train").batch(0, seed=0, count=4, size=SIZE, flip=True, rare_crops=0.0)
    half = torch.ones(plain.label_maps.shape)
    half[:, :, :5] = 0
    holed = plain.label_maps.where(half > 0, IGNORE)

    def losses(label_maps: torch.Tensor, weights: torch.Tensor | None) -> tuple[float, float]:
        batch = Batch(plain.ids, plain.images, label_maps, weights)
        found = GanTrainer(2, params, device=CPU).step(0, batch)
        return found.generator, found.discriminator

    all_ones = torch.ones(plain.label_maps.shape)
    assert losses(plain.label_maps, all_ones * 0.3) == pytest.approx(losses(plain.label_maps, None))
    assert losses(holed, half) == pytest.approx(losses(holed, None))
    assert losses(holed, half) != pytest.approx(losses(plain.label_maps, None))


def test_a_killed_training_on_both_ends_with_the_same_bytes(
    prepared: Path, pseudo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "cpu-demo", TINY)
    params = gan_params(steps=6)

    def train(folder: Path) -> bytes:
        train_gan(
            prepared, params, crop_size=SIZE, out=folder / "out", recorder=Recorder(folder / "out"),
            store=CheckpointStore(folder / "state"), pseudo=pseudo,
        )  # fmt: skip
        return (folder / "out" / "generator.safetensors").read_bytes()

    whole = train(tmp_path / "a")
    with killed_at(GanTrainer, 5):
        train(tmp_path / "b")
    assert train(tmp_path / "b") == whole


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pairs": "data/synthesize/gan"}, "expected data/prepare"),
        ({"pairs": "data/pseudo_label/00/pairs"}, "expected data/prepare"),
        ({"pseudo_share": 0.1}, "no image of data/pseudo_label/0/pairs is used"),
        ({"labelled_tail": 1.0}, "leaves 0 steps"),
        ({"max_seconds": 60}, "may end the training before its last steps"),
    ],
)
def test_params_that_use_no_pseudo_label_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        gan_params(**changes)
