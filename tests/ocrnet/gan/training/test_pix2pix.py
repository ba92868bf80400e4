"""The losses of pix2pix by hand, what its discriminator sees, and the contract of all GANs."""

import math

import pytest
import torch
import torch.nn.functional as F

from ocrnet.config import TrainGanParams
from ocrnet.gan import GANS, objective_class
from ocrnet.gan.generator.presets import PRESETS, Preset
from ocrnet.gan.training.batches import Batch
from ocrnet.gan.training.gan_objective import StepInputs, l1_loss
from ocrnet.gan.training.pix2pix import (
    PatchDiscriminator,
    cell_side,
    patch_loss,
    valid_cells,
)
from ocrnet.gan.training.rng import BatchRng
from tests.base_params import section_with

IGNORE = 255
PATCHY = Preset((8, 8, 4), (4, 8, 8, 8), 4, 1, 4, 1)  # three levels: two of them halve
PLAIN = {"translate": 0.0, "cutout": 0.0, "color_jitter": 0.0}


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "cpu-demo", PATCHY)


def _inputs(label_maps: torch.Tensor, images: torch.Tensor, **changes: object) -> StepInputs:
    params = section_with(TrainGanParams, **changes)
    return StepInputs(0, images, label_maps, BatchRng("test", count=len(images)), params)


def test_patch_loss_is_the_non_saturating_loss_of_valid_cells() -> None:
    logits = torch.tensor([[[0.0, 2.0, 50.0]]])
    cells = torch.tensor([[[True, True, False]]])

    real, fake = (patch_loss(logits, cells, real=real) for real in (True, False))

    assert real.item() == pytest.approx((math.log(2) + math.log(1 + math.exp(-2))) / 2)
    assert fake.item() == pytest.approx((math.log(2) + math.log(1 + math.exp(2))) / 2)


def test_l1_by_hand() -> None:
    fakes = torch.tensor([[[[1.0, 9.0]], [[0.0, 9.0]], [[0.5, 9.0]]]])

    loss = l1_loss(fakes, torch.zeros(1, 3, 1, 2), torch.tensor([[[True, False]]]))

    assert loss.item() == pytest.approx(0.5)


def test_a_cell_counts_when_any_of_its_pixels_does() -> None:
    label_maps = torch.full((1, 5, 8), IGNORE)
    label_maps[0, 3, 4] = 1
    label_maps[0, 4, 0] = 0  # of the row of cells that leaves the image

    cells = valid_cells(label_maps, num_classes=2, cell=4)

    assert cells.tolist() == [[[False, True], [True, False]]]


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (16, 16), (45, 23)])
def test_a_logit_per_cell_for_any_size(size: tuple[int, int]) -> None:
    label_maps = torch.zeros(2, *size, dtype=torch.int64)

    logits = PatchDiscriminator(3, PATCHY)(torch.zeros(2, 3, *size), label_maps)

    cell = cell_side(PATCHY)
    assert cell == 4
    assert logits.shape == (2, -(-size[0] // cell), -(-size[1] // cell))
    assert logits.shape == valid_cells(label_maps, num_classes=3, cell=cell).shape


def test_a_patch_is_as_wide_as_stated() -> None:
    """26 pixels with three levels: 1 cell, two 3x3 convolutions (5 cells), and two of 4x4 that halve (12, 26)."""
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(1, PATCHY).eval()
    images = torch.zeros(1, 3, 64, 64, requires_grad=True)

    discriminator(images, torch.zeros(1, 64, 64, dtype=torch.int64))[0, 8, 8].backward()

    assert images.grad is not None
    rows, columns = images.grad[0].abs().sum(dim=0).nonzero().unbind(dim=1)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == 26


def test_the_discriminator_sees_the_label_map() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(2, PATCHY).eval()
    images = torch.rand(1, 3, 16, 16)
    zeros, ones = (torch.full((1, 16, 16), i) for i in range(2))

    assert not torch.allclose(discriminator(images, zeros), discriminator(images, ones))


@pytest.mark.parametrize("arch", GANS)
def test_ignored_pixels_get_no_gradient_where_the_discriminator_is_blind_to_them(arch: str) -> None:
    """Oasis sees an ignored pixel as the surroundings of others and asks nothing of it; pix2pix does not see it."""
    torch.manual_seed(0)
    label_maps = torch.randint(0, 2, (2, 16, 16))
    label_maps[:, 5:9] = IGNORE
    fakes = (torch.rand(2, 3, 16, 16) * 2 - 1).requires_grad_()
    inputs = _inputs(label_maps, torch.rand(2, 3, 16, 16), arch=arch, **PLAIN)
    objective = objective_class(arch)(2, inputs.params)
    discriminate = objective.build_discriminator(PATCHY).eval()

    for loss in (
        objective.generator_loss(discriminate, fakes, inputs), objective.discriminator_loss(discriminate, fakes, inputs)
    ):  # fmt: skip
        (gradient,) = torch.autograd.grad(loss, fakes)
        assert gradient[:, :, :5].ne(0).any()
        assert gradient[:, :, 5:9].eq(0).all() == (arch == "pix2pix")


@pytest.mark.parametrize("arch", GANS)
def test_a_batch_without_valid_pixels_has_losses_of_zero(arch: str) -> None:
    inputs = _inputs(torch.full((2, 8, 8), IGNORE), torch.rand(2, 3, 8, 8), arch=arch)
    objective = objective_class(arch)(2, inputs.params)
    discriminate = objective.build_discriminator(PATCHY)
    fakes = torch.rand(2, 3, 8, 8)

    assert objective.generator_loss(discriminate, fakes, inputs).item() == 0
    loss = objective.discriminator_loss(discriminate, fakes, inputs)
    assert loss.item() == pytest.approx(0, abs=1e-9) or arch == "oasis"  # LabelMix of nothing
    assert torch.isfinite(loss)


def test_generator_loss_adds_l1_by_its_weight() -> None:
    torch.manual_seed(0)
    label_maps, images = torch.zeros(1, 16, 16, dtype=torch.int64), torch.zeros(1, 3, 16, 16)
    fakes = torch.full((1, 3, 16, 16), 0.25)
    losses = []
    for weight in (0.0, 100.0):
        inputs = _inputs(label_maps, images, arch="pix2pix", l1_weight=weight, **PLAIN)
        objective = objective_class("pix2pix")(1, inputs.params)
        torch.manual_seed(1)
        discriminate = objective.build_discriminator(PATCHY).eval()
        losses.append(objective.generator_loss(discriminate, fakes, inputs).item())

    assert losses[1] - losses[0] == pytest.approx(25, rel=1e-5)
    assert losses[0] == pytest.approx(
        F.softplus(-discriminate(fakes, label_maps)).mean().item(), rel=1e-5
    )


@pytest.mark.parametrize("arch", GANS)
def test_a_discriminator_that_errs_on_nothing_has_a_p_fake_of_zero(arch: str) -> None:
    objective = objective_class(arch)(2, section_with(TrainGanParams, arch=arch))
    batch = Batch(("a",), torch.zeros(1, 3, 8, 8), torch.ones(1, 8, 8, dtype=torch.int64))
    sure = {
        "oasis": torch.tensor([-90.0, 0.0, 90.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8),
        "pix2pix": torch.full((1, 2, 2), 90.0),
    }[arch]

    assert objective.p_fake(lambda *inputs: sure, batch) == pytest.approx(0, abs=1e-6)
    assert objective.p_fake(lambda *inputs: -sure, batch) == pytest.approx(1, abs=1e-6)
    scores = objective.class_scores(lambda *inputs: sure, batch)
    assert scores == ({"gan/d_mIoU": 1.0} if arch == "oasis" else {})


def test_an_unknown_gan_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"train_gan.arch: 'cycle' is unknown. Known: oasis, pix2p"
    ):
        objective_class("cycle")
