"""Discriminators on frozen features: what is trained, what is seen, and that they train a GAN as the plain ones do."""

from collections.abc import Iterator
from typing import Any

import pytest
import timm
import torch
from torch import nn

from ocrnet.config import TrainGanParams
from ocrnet.errors import ParamsError
from ocrnet.gan.generator.presets import PRESETS
from ocrnet.gan.training.batches import Batch, Pairs
from ocrnet.gan.training.discriminator import Discriminator
from ocrnet.gan.training.pix2pix import PatchDiscriminator, valid_cells
from ocrnet.gan.training.projected import ProjectedDiscriminator, ProjectedPatchDiscriminator
from ocrnet.gan.training.pyramid import ENCODER, FrozenPyramid, keep_from_training
from ocrnet.gan.training.step import GanTrainer
from ocrnet.weights.shipped import Shipped, read_shipped
from tests.base_params import section_with
from tests.ocrnet.gan.generator.test_networks import TINY
from tests.ocrnet.gan.prepared import write_prepared

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _tiny_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "cpu-demo", TINY)


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    folder = write_prepared(tmp_path_factory.mktemp("prepared"))
    return Pairs(folder, "train").batch(
        0, seed=0, count=2, size=(12, 16), flip=False, rare_crops=0.0
    )


def trainer(**changes: Any) -> GanTrainer:
    values = {"batch_size": 2, "discriminator": "projected", "labelmix_interval": 1, **changes}
    return GanTrainer(2, section_with(TrainGanParams, **values), device=CPU)


def frozen(network: nn.Module) -> Iterator[torch.Tensor]:
    pyramid = next(module for module in network.modules() if isinstance(module, FrozenPyramid))
    return pyramid.buffers()


@pytest.mark.parametrize("arch", ["oasis", "pix2pix"])
def test_steps_train_what_reads_the_features_and_never_the_features(
    batch: Batch, arch: str
) -> None:
    gan = trainer(arch=arch)
    before = [value.clone() for value in frozen(gan.discriminator)]
    heads = [value.detach().clone() for value in gan.discriminator.parameters()]
    for step in range(2):
        gan.step(step, batch)
    assert len(before) > 100
    for old, new in zip(before, frozen(gan.discriminator), strict=True):
        assert torch.equal(old, new)
        assert not new.requires_grad
        assert new.grad is None
    for old, new in zip(heads, gan.discriminator.parameters(), strict=True):
        assert not torch.equal(old, new)
    held = {
        id(value) for group in gan._adam_discriminator.param_groups for value in group["params"]
    }
    assert held == {id(value) for value in gan.discriminator.parameters()}


def test_no_checkpoint_holds_the_features_and_the_same_seed_mixes_them_alike() -> None:
    first, second = (trainer() for _ in range(2))
    assert not any(name.startswith("pyramid") for name in first.discriminator.state_dict())
    for one, other in zip(frozen(first.discriminator), frozen(second.discriminator), strict=True):
        assert torch.equal(one, other)
    mixed = [value for value in frozen(trainer(seed=1).discriminator)][-1]
    assert not torch.equal(mixed, list(frozen(first.discriminator))[-1])


def test_the_image_gets_a_gradient_through_the_features(batch: Batch) -> None:
    """Without it, the generator would learn from the pixels of the finest level alone."""
    pyramid = FrozenPyramid(TINY.discriminator)
    images = batch.images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(pyramid(images)[-1].square().sum(), images)
    assert gradient.abs().amax(dim=1).gt(0).float().mean() > 0.9


def test_the_levels_are_those_of_the_shipped_network(batch: Batch) -> None:
    """An independent network with its own parameters gives the same features."""
    net: Any = timm.create_model(ENCODER, pretrained=False, features_only=True).eval()
    net.load_state_dict(read_shipped(ENCODER), strict=False)
    images = torch.rand(1, 3, 64, 96) * 2 - 1
    pyramid = FrozenPyramid(TINY.discriminator)
    pyramid.train()
    for ours, theirs in zip(pyramid._encoder(images), net(images), strict=True):
        torch.testing.assert_close(ours, theirs)
    levels = pyramid(images)
    assert [tuple(level.shape[1:]) for level in levels] == [
        (4, 64, 96), (8, 32, 48), (8, 16, 24), (8, 8, 12), (8, 4, 6), (8, 2, 3)
    ]  # fmt: skip
    ratios = [float(level.square().mean()) for level in levels]
    assert all(0.05 < ratio < 5 for ratio in ratios), "no level drowns another one"


def test_weights_as_buffers_give_the_same_output_and_are_no_parameters() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    images = torch.randn(2, 3, 8, 8)
    wanted = net(images)
    kept = keep_from_training(net)
    assert torch.equal(kept(images), wanted)
    assert not list(kept.parameters())
    assert not kept.state_dict()


def test_outputs_have_the_shapes_of_the_plain_discriminators() -> None:
    images, label_maps = torch.rand(2, 3, 13, 21), torch.zeros(2, 13, 21, dtype=torch.int64)
    plain, projected = Discriminator(3, TINY), ProjectedDiscriminator(3, TINY)
    assert projected(images).shape == plain(images).shape == (2, 4, 13, 21)
    for cell in (2, 4, 8):
        logits = ProjectedPatchDiscriminator(3, TINY, cell=cell)(images, label_maps)
        assert logits.shape == valid_cells(label_maps, num_classes=3, cell=cell).shape
    patches = PatchDiscriminator(3, TINY)
    own = ProjectedPatchDiscriminator(3, TINY, cell=patches.cell)
    assert own(images, label_maps).shape == patches(images, label_maps).shape


def test_a_patch_depends_on_its_label_and_on_no_ignored_pixel() -> None:
    net = ProjectedPatchDiscriminator(2, TINY, cell=4).eval()
    images, label_maps = torch.rand(1, 3, 16, 16), torch.zeros(1, 16, 16, dtype=torch.int64)
    label_maps[:, 4:8, 4:8] = 255
    others = images.clone()
    others[:, :, 4:8, 4:8] = -1
    assert torch.equal(net(images, label_maps), net(others, label_maps))
    relabelled = label_maps.where(label_maps == 255, 1)
    assert not torch.allclose(net(images, label_maps), net(images, relabelled))


def test_real_images_are_judged_alike_whatever_else_is_in_the_batch() -> None:
    """In training, too: batch norms of the features stay in evaluation."""
    net = ProjectedDiscriminator(2, TINY).train()
    images = torch.rand(3, 3, 32, 32)
    for module in net.modules():
        if module is not net.pyramid:
            assert not (isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training)
    net.eval()
    torch.testing.assert_close(net(images)[:1], net(images[:1]))


def test_weights_that_are_not_installed_are_refused_by_their_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    absent = Shipped("no-such-package-anywhere", "weights.pth", "0")
    monkeypatch.setattr("ocrnet.gan.training.pyramid.SHIPPED", {ENCODER: absent})
    monkeypatch.setattr("ocrnet.weights.shipped.SHIPPED", {ENCODER: absent})
    with pytest.raises(ParamsError, match=r"train_gan.discriminator: .*no-such-package-anywhere"):
        FrozenPyramid(TINY.discriminator)
