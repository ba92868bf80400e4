"""One contract for every loss and for a sum of them."""

import math

import pytest
import torch
from torch import nn

from ocrnet.errors import DataError
from ocrnet.losses import build_loss
from tests.ocrnet.losses.examples import (
    EVERY,
    LABELS,
    LOGITS,
    WEIGHTS,
    make,
    row,
    two_classes,
    with_gradient,
)

HALF_IGNORED = LABELS.clone()
HALF_IGNORED[:, :3] = 255


@pytest.mark.parametrize("text", EVERY)
class TestContract:
    def test_ignored_pixels_change_neither_value_nor_gradient(self, text: str) -> None:
        loss, gradient = with_gradient(make(text), LOGITS, HALF_IGNORED)
        alone, gradient_alone = with_gradient(make(text), LOGITS[:, :, 3:], LABELS[:, 3:])
        torch.testing.assert_close(loss, alone)
        assert gradient[:, :, :3].abs().max() == 0
        assert gradient[:, :, 3:].abs().max() > 0
        torch.testing.assert_close(gradient[:, :, 3:], gradient_alone)

    def test_what_is_predicted_at_ignored_pixels_is_not_looked_at(self, text: str) -> None:
        other = LOGITS.clone()
        other[:, :, :3] = 100 * LOGITS[:, :, :3].flip(1)
        torch.testing.assert_close(
            make(text)(other, HALF_IGNORED), make(text)(LOGITS, HALF_IGNORED), rtol=0, atol=0
        )

    def test_all_ignored_gives_zero_and_no_gradient(self, text: str) -> None:
        loss, gradient = with_gradient(make(text), LOGITS, torch.full_like(LABELS, 255))
        assert loss == 0
        assert gradient.abs().max() == 0

    def test_an_image_without_valid_pixels_beside_another_changes_nothing(self, text: str) -> None:
        labels = LABELS.clone()
        labels[0] = 255
        loss, gradient = with_gradient(make(text), LOGITS, labels)
        torch.testing.assert_close(loss, make(text)(LOGITS[1:], LABELS[1:]))
        assert gradient[0].abs().max() == 0

    @pytest.mark.parametrize("ignored", [-1, -100, 0])
    def test_any_number_may_mean_ignored(self, text: str, ignored: int) -> None:
        """0 too, which then is no class of the truth."""
        labels = LABELS.clone()
        labels[labels == 0] = ignored
        loss = build_loss(text, num_classes=5, ignore_index=ignored)
        labels_255 = torch.where(LABELS == 0, 255, LABELS)
        torch.testing.assert_close(loss(LOGITS, labels), make(text)(LOGITS, labels_255))

    @pytest.mark.parametrize("value", [5, 34, 254, -1])
    def test_a_label_out_of_range_is_named_before_any_kernel_runs(
        self, text: str, value: int
    ) -> None:
        """The logits have no memory: a kernel that met them together with the labels would fail otherwise."""
        labels = LABELS.clone()
        labels[1, 2, 3] = value
        message = f"label {value} is neither a class \\(0 to 4\\) nor ignore_index 255"
        with pytest.raises(ValueError, match=message):
            make(text)(LOGITS.to("meta"), labels)
        with pytest.raises(DataError, match=message):
            make(text).aux(LOGITS.to("meta"), labels)

    def test_a_perfect_prediction_costs_nearly_nothing_and_a_wrong_one_more(
        self, text: str
    ) -> None:
        right = 20.0 * nn.functional.one_hot(LABELS, 5).permute(0, 3, 1, 2).float()
        loss = make(text)
        assert loss(right, LABELS) < 1e-6 < 0.1 < loss(-right, LABELS)

    def test_a_step_against_the_gradient_lowers_it(self, text: str) -> None:
        loss, gradient = with_gradient(make(text), LOGITS, LABELS)
        assert make(text)(LOGITS - gradient, LABELS) < loss

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_logits_give_a_finite_float32_loss(
        self, text: str, dtype: torch.dtype
    ) -> None:
        logits = (1000 * LOGITS).to(dtype)
        loss, gradient = with_gradient(make(text), logits, LABELS)
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()
        torch.testing.assert_close(loss, make(text)(logits.float(), LABELS))

    def test_certain_predictions_have_finite_gradients(self, text: str) -> None:
        """The probability of the true class rounds to exactly 1 or 0."""
        hard = 1e4 * nn.functional.one_hot(LABELS, 5).permute(0, 3, 1, 2).float()
        for logits in (hard, -hard):
            loss, gradient = with_gradient(make(text, gamma=0.5), logits, LABELS)
            assert torch.isfinite(loss)
            assert torch.isfinite(gradient).all()

    def test_a_batch_twice_over_costs_the_same(self, text: str) -> None:
        twice = make(text)(torch.cat([LOGITS, LOGITS]), torch.cat([HALF_IGNORED, HALF_IGNORED]))
        torch.testing.assert_close(twice, make(text)(LOGITS, HALF_IGNORED))

    def test_the_order_of_images_does_not_matter(self, text: str) -> None:
        torch.testing.assert_close(
            make(text)(LOGITS.flip(0), HALF_IGNORED.flip(0)), make(text)(LOGITS, HALF_IGNORED)
        )

    def test_weights_of_one_leave_every_number_to_the_bit(self, text: str) -> None:
        for loss in (make(text), make(text).aux):
            plain = with_gradient(loss, LOGITS, HALF_IGNORED)
            weighted = with_gradient(loss, LOGITS, HALF_IGNORED, 1.0, 1.0)
            assert torch.equal(plain[0], weighted[0])
            assert torch.equal(plain[1], weighted[1])

    def test_an_image_of_weight_two_is_as_two_equal_ones(self, text: str) -> None:
        labels = HALF_IGNORED.clone()
        labels[0] = LABELS[0]  # the images have different numbers of valid pixels
        for loss in (make(text), make(text).aux):
            weighted, gradient = with_gradient(loss, LOGITS, labels, 1.0, 2.0)
            twice, parts = with_gradient(loss, LOGITS[[0, 1, 1]], labels[[0, 1, 1]])
            torch.testing.assert_close(weighted, twice)
            torch.testing.assert_close(gradient, torch.stack([parts[0], parts[1] + parts[2]]))
            assert abs(weighted - loss(LOGITS, labels)) > 1e-4

    @pytest.mark.parametrize("factor", [1e-3, 64.0])
    def test_a_common_factor_of_all_weights_changes_nothing(self, text: str, factor: float) -> None:
        for loss in (make(text), make(text).aux):
            plain = with_gradient(loss, LOGITS, LABELS, 1.0, 0.5)
            scaled = with_gradient(loss, LOGITS, LABELS, factor, factor / 2)
            torch.testing.assert_close(plain, scaled)

    def test_labels_of_any_integer_type(self, text: str) -> None:
        torch.testing.assert_close(
            make(text)(LOGITS, LABELS.to(torch.int32)), make(text)(LOGITS, LABELS)
        )

    def test_not_a_number_is_never_hidden(self, text: str) -> None:
        logits = LOGITS.clone()
        logits[0, 0, 0, 0] = torch.nan
        assert torch.isnan(make(text, threshold=0.5, min_kept=1)(logits, LABELS))


@pytest.mark.parametrize("text", ["ce", "ohem", "ohem_official", "focal"])
def test_class_weights_change_the_balance_between_classes(text: str) -> None:
    """Class 4 weighs 3 and class 2 half: their shares of the gradient move apart by that."""
    _, plain = with_gradient(make(text), LOGITS, LABELS)
    _, weighted = with_gradient(make(text, class_weights=WEIGHTS), LOGITS, LABELS)

    def share(gradient: torch.Tensor) -> torch.Tensor:
        per_pixel = gradient.abs().sum(dim=1)
        return per_pixel[LABELS == 4].sum() / per_pixel[LABELS == 2].sum()

    torch.testing.assert_close(share(weighted), 6 * share(plain))


@pytest.mark.parametrize("text", EVERY)
def test_equal_weights_of_pixels_are_weights_of_images(text: str) -> None:
    weights = torch.tensor([0.25, 3.0])
    of_pixels = weights[:, None, None].expand(LABELS.shape).contiguous()
    for loss in (make(text), make(text).aux):
        torch.testing.assert_close(
            loss(LOGITS, HALF_IGNORED, of_pixels), loss(LOGITS, HALF_IGNORED, weights)
        )


@pytest.mark.parametrize("text", ["ce", "focal", "dice", "ce + 0.5*dice"])
def test_a_pixel_of_weight_zero_is_an_ignored_one(text: str) -> None:
    weights = torch.ones(LABELS.shape)
    weights[:, :3] = 0
    weighted, gradient = with_gradient(make(text), LOGITS, HALF_IGNORED)
    leaf = LOGITS.clone().requires_grad_()
    value = make(text)(leaf, LABELS, weights)
    value.backward()
    torch.testing.assert_close(value.detach(), weighted)
    torch.testing.assert_close(leaf.grad, gradient)


def test_pixels_of_two_weights_by_hand() -> None:
    """Cross-entropy 1 and 3 with weights 1 and 0.5: (1 + 1.5) / 1.5."""
    logits = two_classes(math.exp(-1), math.exp(-3))
    weights = torch.tensor([[[1.0, 0.5]]])
    loss = build_loss("ce", num_classes=2, ignore_index=255)
    assert loss(logits, row(0, 0), weights).item() == pytest.approx(2.5 / 1.5)


def test_an_image_of_two_weights_counts_with_their_mean_in_lovasz() -> None:
    weights = torch.ones(LABELS.shape)
    weights[1, :3] = 0.5  # three of six rows
    torch.testing.assert_close(
        make("lovasz")(LOGITS, LABELS, weights),
        make("lovasz")(LOGITS, LABELS, torch.tensor([1.0, 0.75])),
    )
