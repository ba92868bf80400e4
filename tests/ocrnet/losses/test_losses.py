"""One contract for every loss, and the numbers of each by hand."""

import math

import pytest
import torch
from torch import nn

from ocrnet.losses import LOSSES, build_loss

LOGITS = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(0, 5, (2, 6, 7), generator=torch.Generator().manual_seed(1))


def make(name: str, **options: object) -> nn.Module:
    return build_loss(name, num_classes=5, ignore_index=255, **options)


@pytest.mark.parametrize("name", LOSSES)
class TestContract:
    def test_ignored_pixels_change_neither_value_nor_gradient(self, name: str) -> None:
        labels = LABELS.clone()
        labels[:, :3] = 255
        logits = LOGITS.clone().requires_grad_()
        loss = make(name)(logits, labels)
        loss.backward()
        assert logits.grad is not None
        assert logits.grad[:, :, :3].abs().max() == 0
        assert logits.grad[:, :, 3:].abs().max() > 0
        assert torch.isclose(loss, make(name)(LOGITS[:, :, 3:], LABELS[:, 3:]))

    def test_all_ignored_gives_zero_and_finite_gradients(self, name: str) -> None:
        logits = LOGITS.clone().requires_grad_()
        loss = make(name)(logits, torch.full_like(LABELS, 255))
        loss.backward()
        assert float(loss.detach()) == 0
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()

    def test_a_label_out_of_range_is_named_before_any_kernel_runs(self, name: str) -> None:
        labels = LABELS.clone()
        labels[0, 0, 0] = 34
        with pytest.raises(
            ValueError, match="label 34 is neither a class \\(0 to 4\\) nor ignore_index 255"
        ):
            make(name)(LOGITS, labels)

    def test_a_perfect_prediction_costs_nearly_nothing_and_a_wrong_one_more(
        self, name: str
    ) -> None:
        right = 20.0 * nn.functional.one_hot(LABELS, 5).permute(0, 3, 1, 2).float()
        loss = make(name)
        assert loss(right, LABELS) < 1e-6 < loss(-right, LABELS)

    def test_half_precision_logits_give_a_finite_float32_loss(self, name: str) -> None:
        loss = make(name)((1000 * LOGITS).bfloat16(), LABELS)
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)


def test_cross_entropy_of_equal_logits_is_the_log_of_the_number_of_classes() -> None:
    assert math.isclose(
        float(make("ce")(torch.zeros(1, 5, 2, 2), LABELS[:1, :2, :2])), math.log(5), rel_tol=1e-6
    )


def test_weighted_cross_entropy_agrees_with_torch() -> None:
    weights = torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0])
    expected = nn.functional.cross_entropy(LOGITS, LABELS, weight=weights)
    assert torch.isclose(make("ce", class_weights=weights)(LOGITS, LABELS), expected)


def test_ohem_keeps_the_pixels_below_the_threshold() -> None:
    """Four pixels of two classes with probabilities of their class 0.5, 0.9, 0.2, 0.99; the threshold is 0.6."""
    probabilities = torch.tensor([0.5, 0.9, 0.2, 0.99])
    logits = torch.stack([probabilities.log(), (1 - probabilities).log()]).reshape(1, 2, 1, 4)
    labels = torch.zeros(1, 1, 4, dtype=torch.long)
    loss = build_loss("ohem", num_classes=2, ignore_index=255, threshold=0.6, min_kept=1)
    assert math.isclose(
        float(loss(logits, labels)), -(math.log(0.5) + math.log(0.2)) / 2, rel_tol=1e-5
    )


def test_ohem_keeps_at_least_min_kept_of_the_hardest() -> None:
    probabilities = torch.tensor([0.5, 0.9, 0.2, 0.99])
    logits = torch.stack([probabilities.log(), (1 - probabilities).log()]).reshape(1, 2, 1, 4)
    labels = torch.zeros(1, 1, 4, dtype=torch.long)
    loss = build_loss("ohem", num_classes=2, ignore_index=255, threshold=0.1, min_kept=3)
    by_hand = -(math.log(0.5) + math.log(0.9) + math.log(0.2)) / 3
    assert math.isclose(float(loss(logits, labels)), by_hand, rel_tol=1e-5)
