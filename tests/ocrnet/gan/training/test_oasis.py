"""The losses of OASIS against values by hand and against facts that hold for any input."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from ocrnet.gan.training import labelmix, oasis
from ocrnet.gan.training.gan_objective import valid_pixels
from ocrnet.gan.training.rng import BatchRng

IGNORE = 255


def test_one_class_generator_loss_is_the_non_saturating_gan_loss() -> None:
    logits = torch.randn(
        2, 2, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    label_maps = torch.zeros(2, 5, 7, dtype=torch.int64)

    weights = oasis.class_weights(label_maps, num_classes=1, weight_max=15.0)
    loss = oasis.class_loss(logits, label_maps, weights.double())

    fake, real = logits.unbind(dim=1)
    torch.testing.assert_close(loss, F.softplus(-(real - fake)).mean(), rtol=0, atol=1e-12)


def test_class_weights_by_hand() -> None:
    # 8 pixels, 2 ignored, so 6 valid: 4 of class 0, 2 of class 2, none of class 1; two classes present.
    label_maps = torch.tensor([[[0, 0, 0, 0], [2, 2, IGNORE, IGNORE]]])

    weights = oasis.class_weights(label_maps, num_classes=3, weight_max=15.0)

    assert weights.tolist() == pytest.approx([6 / (2 * 4), 0.0, 6 / (2 * 2)])


def test_class_weights_are_clipped() -> None:
    label_maps = torch.zeros(1, 10, 10, dtype=torch.int64)
    label_maps[0, 0, 0] = 1

    weights = oasis.class_weights(label_maps, num_classes=2, weight_max=12.0)

    assert weights.tolist() == pytest.approx([100 / (2 * 99), 12.0])  # unclipped: 50


def test_class_weights_of_a_batch_without_any_class_are_zero() -> None:
    label_maps = torch.full((1, 2, 2), IGNORE)

    assert oasis.class_weights(label_maps, num_classes=2, weight_max=5.0).tolist() == [0, 0]


def test_discriminator_losses_by_hand() -> None:
    # Pixel 0 is class 0 with p = 1/2, pixel 1 is class 1 with p = 1/4; softmax over (fake, 0, 1).
    logits = torch.tensor([[1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]).log().T.reshape(1, 3, 1, 2)
    label_maps = torch.tensor([[[0, 1]]])

    real = oasis.class_loss(logits, label_maps, torch.tensor([1.0, 3.0]))
    fake = oasis.fake_loss(logits, torch.tensor([[[True, True]]]))

    assert real.item() == pytest.approx((1 * math.log(2) + 3 * math.log(4)) / 2)
    assert fake.item() == pytest.approx(math.log(4))


def test_losses_are_means_over_valid_pixels() -> None:
    logits = torch.randn(1, 3, 2, 2)
    label_maps = torch.tensor([[[0, 1], [IGNORE, IGNORE]]])
    valid = valid_pixels(label_maps, num_classes=2)
    weights = torch.tensor([1.0, 2.0])

    top = logits[:, :, :1]
    torch.testing.assert_close(
        oasis.class_loss(logits, label_maps, weights),
        oasis.class_loss(top, label_maps[:, :1], weights),
    )
    torch.testing.assert_close(oasis.fake_loss(logits, valid), oasis.fake_loss(top, valid[:, :1]))


def test_ignored_pixels_change_no_loss_and_get_no_gradient() -> None:
    label_maps = torch.randint(0, 3, (2, 6, 6))
    label_maps[:, 2:4] = IGNORE
    valid = valid_pixels(label_maps, num_classes=3)
    weights = oasis.class_weights(label_maps, num_classes=3, weight_max=9.0)
    logits = torch.randn(2, 4, 6, 6, requires_grad=True)
    others = torch.where(valid.unsqueeze(1), logits.detach(), torch.randn(2, 4, 6, 6) * 50)
    target = torch.randn(2, 4, 6, 6)
    losses: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "class": lambda x: oasis.class_loss(x, label_maps, weights),
        "fake": lambda x: oasis.fake_loss(x, valid),
        "labelmix": lambda x: labelmix.labelmix_loss(x, target, valid),
    }

    for name, loss in losses.items():
        (gradient,) = torch.autograd.grad(loss(logits), logits)
        assert loss(logits).item() == pytest.approx(loss(others).item()), name
        assert gradient.movedim(1, -1)[~valid].eq(0).all(), name
        assert gradient.movedim(1, -1)[valid].ne(0).any(dim=-1).all(), name


def test_a_batch_without_valid_pixels_has_zero_loss_and_gradient() -> None:
    label_maps = torch.full((1, 3, 3), IGNORE)
    logits = torch.randn(1, 3, 3, 3, requires_grad=True)
    valid = valid_pixels(label_maps, num_classes=2)

    loss = oasis.class_loss(logits, label_maps, torch.zeros(2)) + oasis.fake_loss(logits, valid)
    loss.backward()  # type: ignore[no-untyped-call]

    assert loss.item() == 0
    assert logits.grad is not None
    assert logits.grad.eq(0).all()


def _labelmix_bits(count: int, *, num_classes: int) -> torch.Tensor:
    """Draw LabelMix for `count` images that each show every class once and one ignored pixel."""
    row = torch.tensor([*range(num_classes), IGNORE])
    label_maps = row.view(1, 1, -1).expand(count, 1, -1)
    rng = BatchRng("test", count=count)
    chosen = labelmix.draw_labelmix(label_maps, num_classes=num_classes, rng=rng)
    return chosen.reshape(count, -1).double()


def test_labelmix_bits_are_fair_for_every_class() -> None:
    bits = _labelmix_bits(20_000, num_classes=4)

    # The standard deviation of a share of 20 000 fair bits is 0.0035.
    assert bits.mean(dim=0).sub(0.5).abs().max() < 0.018


def test_labelmix_bits_of_classes_are_independent() -> None:
    correlation = torch.corrcoef(_labelmix_bits(20_000, num_classes=4).T)

    assert correlation.fill_diagonal_(0).abs().max() < 0.036  # five standard deviations


def test_labelmix_bits_of_images_are_independent() -> None:
    first, second = _labelmix_bits(20_000, num_classes=2).view(2, -1)

    assert torch.corrcoef(torch.stack([first, second]))[0, 1].abs() < 0.036


def test_labelmix_is_constant_on_each_class_of_an_image() -> None:
    label_maps = torch.randint(0, 3, (4, 8, 8))
    chosen = labelmix.draw_labelmix(label_maps, num_classes=3, rng=BatchRng("test", count=4))

    for image, label_map in zip(chosen[:, 0], label_maps, strict=True):
        for i in range(3):
            assert image[label_map == i].unique().numel() == 1


def test_mix_takes_real_where_chosen() -> None:
    real, fake = torch.ones(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)

    mixed = labelmix.mix(real, fake, torch.tensor([[[[True, False]]]]))

    assert mixed.tolist() == [[[[1, 0]], [[1, 0]]]]


def test_labelmix_loss_by_hand() -> None:
    mixed_logits = torch.tensor([[[[1.0, 5.0]], [[3.0, 5.0]]]])  # two channels, two pixels
    logits_mixed = torch.tensor([[[[0.0, 0.0]], [[1.0, 0.0]]]])

    loss = labelmix.labelmix_loss(mixed_logits, logits_mixed, torch.tensor([[[True, False]]]))

    assert loss.item() == pytest.approx((1**2 + 2**2) / 2)
