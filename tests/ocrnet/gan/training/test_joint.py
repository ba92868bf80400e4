"""The joint generator: losses by hand, what the discriminator sees, what is learned, a kill that changes nothing."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import TrainGanParams
from ocrnet.data.decode import read_image, read_label_map, write_image, write_label_map
from ocrnet.data.manifest import MANIFEST_FILE, ClassTable, count_pixels, write_manifest
from ocrnet.data.pixel_weights import write_pixel_weights
from ocrnet.errors import BundleError
from ocrnet.gan.generator.joint import JointDrawer, load_joint
from ocrnet.gan.generator.joint_network import JointGenerator, hard_maps
from ocrnet.gan.generator.presets import PRESETS
from ocrnet.gan.training.batches import Pairs
from ocrnet.gan.training.joint.batches import JointBatch, WholePairs, joint_batch
from ocrnet.gan.training.joint.discriminator import JointDiscriminator
from ocrnet.gan.training.joint.step import JointTrainer
from ocrnet.gan.training.joint.train import train_joint
from ocrnet.gan.training.step import GanTrainer
from ocrnet.gan.training.train import train_gan
from ocrnet.record import Recorder
from tests.base_params import section_with
from tests.ocrnet.gan.generator.test_networks import TINY
from tests.ocrnet.gan.prepared import write_prepared
from tests.ocrnet.killed import killed_at

CPU = torch.device("cpu")
SIZE = (14, 19)  # of the first training image, so that it is not resized


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def pseudo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs: the first has the weight 0.4, but for its row 6, which has none; the second has none at all."""
    folder = write_prepared(tmp_path_factory.mktemp("pseudo"), train=2, val=0)
    table = pd.read_csv(folder / MANIFEST_FILE)
    table["pixel_weights"] = [f"pixel_weights/{i}.png" for i in range(2)]
    (folder / "pixel_weights").mkdir()
    for index, row in table.iterrows():
        weights = np.zeros(read_label_map(folder / row["label_map"]).shape, np.uint8)
        if index == 0:
            weights[:] = 102  # of 255
            weights[6] = 0
        write_pixel_weights(folder / row["pixel_weights"], weights)
    table.to_csv(folder / MANIFEST_FILE, index=False)
    return folder


@pytest.fixture(autouse=True)
def _tiny_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "cpu-demo", TINY)


def params_of(**changes: Any) -> TrainGanParams:
    values = {"steps": 4, "batch_size": 4, "crop_size": [12, 16], "joint_steps": 6, "joint_size": list(SIZE),
              "val_interval": 3, "checkpoint_interval": 2, "log_interval": 1, "flip": False}  # fmt: skip
    return section_with(TrainGanParams, **{**values, **changes})


def random_batch(count: int = 4) -> JointBatch:
    draws = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, *SIZE, generator=draws) * 2 - 1
    classes = torch.randint(0, 2, (count, *SIZE), generator=draws)
    maps = nn.functional.one_hot(classes, 2).movedim(-1, 1).float()
    weights = (torch.rand(count, 1, *SIZE, generator=draws) > 0.3).float()
    return joint_batch(tuple("abcd"[:count]), images, maps, weights)


class Probe(nn.Module):
    """A discriminator with one logit for all, which keeps what it was shown."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))
        self.shown: list[tuple[Tensor, Tensor]] = []

    def forward(self, images: Tensor, maps: Tensor, conditions: Tensor) -> Tensor:
        self.shown.append((images.detach(), maps.detach()))
        return self.logit + 0 * (images.sum() + maps.sum()) + torch.zeros(len(conditions))


def test_hard_maps_show_one_class_and_pass_on_the_gradient_of_the_probabilities() -> None:
    """By hand: two classes with the logits 0 and log 3 have the probabilities 1/4 and 3/4, and dp1/dl1 is 3/16."""
    logits = torch.tensor([0.0, math.log(3)]).view(1, 2, 1, 1).requires_grad_()
    maps = hard_maps(logits)
    assert maps.flatten().tolist() == [0.0, 1.0]
    maps[0, 1].sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == pytest.approx([-3 / 16, 3 / 16])


def test_losses_by_hand() -> None:
    trainer = JointTrainer(2, params_of(), device=CPU)
    trainer.discriminator = Probe(0.7)  # type: ignore[assignment]
    losses = trainer.step(0, random_batch())
    assert losses.generator == pytest.approx(math.log(1 + math.exp(-0.7)))
    assert losses.discriminator == pytest.approx(
        math.log(1 + math.exp(0.7)) + math.log(1 + math.exp(-0.7))
    )


def test_the_gradient_penalty_by_hand() -> None:
    """A logit of 3 times the sum of an image, and nothing of its label map: the square of the gradient is 9 per value.

    The strength is 0.0002 times the pixels per image of the batch, and 4 times as much every fourth step.
    """
    trainer = JointTrainer(2, params_of(), device=CPU)
    inputs = [torch.rand(4, channels, *SIZE).requires_grad_() for channels in (3, 2)]
    logits = 3 * inputs[0].sum(dim=(1, 2, 3)) + 0 * inputs[1].sum()
    pixels = SIZE[0] * SIZE[1]
    expected = 4 * 0.0002 * pixels / 4 / 2 * 9 * 3 * pixels
    found = trainer._penalty(logits, inputs, is_penalised=True)
    assert float(found) == pytest.approx(expected, rel=1e-4)
    assert trainer._penalty(logits, inputs, is_penalised=False) == 0


def test_missing_labels_shifts_and_holes_are_the_same_for_real_and_drawn_images() -> None:
    trainer = JointTrainer(2, params_of(), device=CPU)
    probe = Probe(0.0)
    trainer.discriminator = probe  # type: ignore[assignment]
    for step in range(3):
        trainer.step(step, random_batch())
    for start in range(0, 9, 3):
        (to_g, drawn), (again, _), (real, true) = probe.shown[start : start + 3]
        assert torch.equal(to_g, again)
        assert torch.equal(drawn.sum(1) > 0, true.sum(1) > 0)
        assert 0 < (true.sum(1) > 0).float().mean() < 0.7  # the weights alone leave about 0.7
        assert torch.equal((to_g == 0).all(1), (real == 0).all(1))
        # A pixel that is hidden in the image is hidden in the label map.
        assert not ((real == 0).all(1) & (true.sum(1) > 0)).any()


def test_a_batch_has_whole_images_and_classes_with_labels_alone_are_its_condition(
    prepared: Path, pseudo: Path
) -> None:
    params = params_of(
        steps=8, pairs="data/pseudo_label/0/pairs", pseudo_share=0.5, labelled_tail=0.5
    )
    pairs = WholePairs(Pairs(prepared, "train"), Pairs(pseudo, "train", key=("pseudo",)), params)
    batch = pairs.batch(0)
    assert len(batch.ids) == 4
    assert set(batch.ids[2:]) == {"train_0", "train_1"}  # of the unlabelled ones, each once
    first, second = 2 + batch.ids[2:].index("train_0"), 2 + batch.ids[2:].index("train_1")
    label_map = read_label_map(pseudo / "label_maps/train_0.png")
    image = read_image(pseudo / "images/train_0.png")
    assert torch.allclose(
        (batch.images[first] + 1) * 127.5, torch.tensor(image).movedim(-1, 0).float(), atol=1e-3
    )
    expected = np.where(label_map == 255, 0, 0.4)
    expected[6] = 0
    assert np.allclose(batch.weights[first, 0], expected)
    seen = expected > 0
    assert np.array_equal(batch.maps[first].argmax(0).numpy()[seen], label_map[seen])
    assert batch.conditions[first].tolist() == [1, 1]
    assert batch.conditions[second].tolist() == [0, 0]  # nothing is known of it
    assert not batch.weights[second].any()
    assert pairs.batch(4).weights.amax() == 1
    assert len(pairs.batch(4).ids) == 4
    assert torch.isin(pairs.batch(4).weights.amax(dim=(1, 2, 3)), torch.ones(1)).all()


def test_the_condition_changes_the_logit_by_projection() -> None:
    """The logit is linear in the condition: that of both classes is the sum of the changes of each."""
    network = JointDiscriminator(2, TINY, SIZE).eval()
    batch = random_batch()
    logit = {
        condition: network(batch.images, batch.maps, torch.tensor([condition] * 4).float())
        for condition in ((0, 0), (1, 0), (0, 1), (1, 1))
    }
    ones, others = logit[1, 0] - logit[0, 0], logit[0, 1] - logit[0, 0]
    assert torch.allclose(logit[1, 1] - logit[0, 0], ones + others, atol=1e-6)
    assert ones.abs().max() > 1e-4


def test_an_image_does_not_depend_on_the_others_of_its_batch() -> None:
    network = JointGenerator(3, TINY, (14, 18))
    z, conditions = torch.randn(4, TINY.z_dim), torch.eye(4)[:, :3]
    images, logits = network(z, conditions)
    assert images.shape == (4, 3, 14, 18)
    assert logits.shape == (4, 3, 14, 18)
    alone, _ = network(z[:1], conditions[:1])
    assert torch.allclose(alone, images[:1], atol=1e-5)


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def train(prepared: Path, folder: Path, params: TrainGanParams) -> Path:
    train_gan(
        prepared, params, crop_size=(32, 32), out=folder / "out",
        recorder=Recorder(folder / "out"), store=CheckpointStore(folder / "state"),
    )  # fmt: skip
    return folder / "out"


def test_a_killed_run_ends_with_the_same_bytes_and_the_painter_is_as_without(
    prepared: Path, tmp_path: Path
) -> None:
    whole = train(prepared, tmp_path / "whole", params_of())
    files = hashes(whole)
    assert {"joint.safetensors", "joint.json", "joint.jpg"} < set(files)
    for trainer, step in ((GanTrainer, 3), (JointTrainer, 1), (JointTrainer, 5)):
        folder = tmp_path / f"killed_{trainer.__name__}_{step}"
        with killed_at(trainer, step):
            train(prepared, folder, params_of())
        assert hashes(train(prepared, folder, params_of())) == files
        assert not [path for path in (folder / "state").rglob("*") if path.is_file()]
    without = hashes(train(prepared, tmp_path / "without", params_of(joint_steps=0)))
    assert "joint.safetensors" not in without
    for name in ("generator.safetensors", "gan.json", "samples.jpg"):
        assert without[name] == files[name]
    metrics = json.loads((whole / "metrics.json").read_text())
    assert 0 <= metrics["gan/joint_condition"] <= 1
    assert 0 <= metrics["gan/joint_drift"] <= 1
    assert "gan/p_fake_gap" in metrics


def test_files_draw_the_same_and_damaged_ones_are_refused(prepared: Path, tmp_path: Path) -> None:
    folder = train(prepared, tmp_path, params_of(steps=1, joint_steps=2))
    drawer = load_joint(folder)
    image, label_map = drawer.draw([0, 1], seed=3)
    assert image.shape == (*SIZE, 3)
    assert label_map.shape == SIZE
    assert np.array_equal(load_joint(folder).draw([0, 1], seed=3)[0], image)
    assert not np.array_equal(drawer.draw([0, 1], seed=4)[0], image)
    card = json.loads((folder / "joint.json").read_text())
    (folder / "joint.json").write_text(json.dumps({**card, "size": [40, 40]}))
    with pytest.raises(BundleError, match=r"joint.safetensors: the weights do not match"):
        load_joint(folder)
    (folder / "joint.json").write_text(json.dumps({**card, "class_names": []}))
    with pytest.raises(BundleError, match=r"joint.json: .*Run the stage train_gan again"):
        load_joint(folder)


TWO_KINDS = ClassTable(("floor", "left", "right"), ((0, 0, 0), (200, 0, 0), (0, 0, 200)))


def write_two_kinds(folder: Path) -> Path:
    """Write images that show a red block on the left, or a blue one on the right."""
    rows = []
    for name in ("images", "label_maps"):
        (folder / name).mkdir(parents=True)
    for index in range(8):
        kind = 1 + index % 2
        label_map = np.zeros((16, 16), np.uint8)
        top = 2 + index // 2
        label_map[top : top + 8, (1 if kind == 1 else 9) :][:, :6] = kind
        image = np.array(TWO_KINDS.palette, np.uint8)[label_map]
        files = (f"images/{index}.png", f"label_maps/{index}.png")
        write_image(folder / files[0], image)
        write_label_map(folder / files[1], label_map, palette=TWO_KINDS.palette, ignore_index=255)
        rows.append({
            "id": str(index), "split": "train", "group": str(index), "image": files[0], "label_map": files[1],
            "height": 16, "width": 16, "origin": "real", "image_sha256": "", "label_map_sha256": "",
            "raw_image": "", "raw_label_map": "",
            **count_pixels(label_map, TWO_KINDS.class_names, ignore_index=255),
        })  # fmt: skip
    TWO_KINDS.write(folder)
    write_manifest(folder, pd.DataFrame(rows))
    return folder


def test_it_learns_to_draw_the_classes_of_the_condition_with_their_colours(tmp_path: Path) -> None:
    prepared = write_two_kinds(tmp_path / "prepare")
    params = params_of(
        joint_steps=300, joint_size=[16, 16], batch_size=8, log_interval=100, checkpoint_interval=1000,
        lr_generator=0.003, lr_discriminator=0.003, ema_decay=0.9,
    )  # fmt: skip
    scores = train_joint(
        Pairs(prepared, "train"), None, params, out=tmp_path, recorder=Recorder(tmp_path),
        store=CheckpointStore(tmp_path / "state"), device=CPU,
    )  # fmt: skip
    drawer: JointDrawer = load_joint(tmp_path)
    for kind, other, channel in ((1, 2, 0), (2, 1, 2)):
        drawn = [drawer.draw([0, kind], seed=seed) for seed in range(16)]
        pixels = {i: np.mean([(label_map == i).mean() for _, label_map in drawn]) for i in range(3)}
        assert pixels[kind] > 5 * pixels[other]
        assert 0.05 < pixels[kind] < 0.5
        colour = np.concatenate([image[label_map == kind] for image, label_map in drawn]).mean(0)
        assert colour[channel] > 1.5 * colour[2 - channel]
    assert scores["gan/joint_condition"] > 0.8
