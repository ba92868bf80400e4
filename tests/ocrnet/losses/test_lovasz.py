"""Lovasz-softmax against the definition of the Lovasz extension, and where it is an intersection over union."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from ocrnet.losses import build_loss
from ocrnet.losses.lovasz import lovasz_softmax
from tests.ocrnet.losses.examples import LABELS, LOGITS, make, row, two_classes


def jaccard_loss(mistaken: list[int], truth: list[int]) -> float:
    """Return 1 - IoU of a class whose mispredicted pixels are these: |M| / |truth or M|."""
    return len(mistaken) / max(1, len(set(mistaken) | set(truth)))


def extension(errors: list[float], truth: list[int]) -> float:
    """Integrate the Jaccard loss of the set of pixels with errors above t, over t from 0 to 1."""
    steps = sorted({0.0, *errors})
    return sum(
        (high - low) * jaccard_loss([i for i, e in enumerate(errors) if e > low], truth)
        for low, high in pairwise(steps)
    )


def by_definition(probabilities: Tensor, labels: Tensor) -> float:
    classes = sorted(set(labels.tolist()))
    total = 0.0
    for c in classes:
        truth = [i for i, label in enumerate(labels.tolist()) if label == c]
        of_class = probabilities[c].tolist()
        errors = [1 - p if i in truth else p for i, p in enumerate(of_class)]
        total += extension(errors, truth)
    return total / len(classes)


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_the_extension_by_integration(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.softmax(2 * torch.randn(4, 12, generator=generator), dim=0)
    labels = torch.randint(0, 3, (12,), generator=generator)  # class 3 is absent
    assert float(lovasz_softmax(probabilities, labels)) == pytest.approx(
        by_definition(probabilities, labels), rel=1e-5
    )


def test_equal_errors_may_be_sorted_in_any_order() -> None:
    probabilities = torch.full((2, 6), 0.5)
    labels = torch.tensor([0, 1, 0, 1, 1, 1])
    assert float(lovasz_softmax(probabilities, labels)) == pytest.approx(
        by_definition(probabilities, labels), rel=1e-6
    )


def test_hard_predictions_give_one_minus_the_mean_iou() -> None:
    """Truth 0 0 1 1, predicted 0 1 1 1: IoU 1/2 and 2/3."""
    loss = build_loss("lovasz", num_classes=2, ignore_index=255)
    logits = 100 * two_classes(0.9, 0.1, 0.1, 0.1)
    assert float(loss(logits, row(0, 0, 1, 1))) == pytest.approx(5 / 12, rel=1e-6)


def test_the_batch_is_the_mean_of_its_images_that_have_valid_pixels() -> None:
    images = [make("lovasz")(LOGITS[i : i + 1], LABELS[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(make("lovasz")(LOGITS, LABELS), (images[0] + images[1]) / 2)


def test_slopes_stay_exact_on_many_pixels() -> None:
    """A million pixels, one of class 1 and that one wrong: the IoU of class 1 is 0, that of class 0 nearly 1."""
    count = 1_000_000
    labels = torch.zeros(count, dtype=torch.long)
    labels[7] = 1
    probabilities = torch.stack([torch.ones(count), torch.zeros(count)])
    probabilities.requires_grad_()
    loss = lovasz_softmax(probabilities, labels)
    loss.backward()  # type: ignore[no-untyped-call]
    assert probabilities.grad is not None
    assert float(loss.detach()) == pytest.approx((1 + 1 / count) / 2, rel=1e-6)
    # Of class 1 the pixel is worth 1, a second one 0; of class 0 it is the first mistake, worth 1/(count).
    assert float(probabilities.grad[1, 7]) == pytest.approx(-1 / 2, rel=1e-6)
    assert float(probabilities.grad[0, 7]) == pytest.approx(1 / count / 2, rel=1e-5)
