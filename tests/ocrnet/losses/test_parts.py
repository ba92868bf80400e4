"""The losses of the parts of a batch add up to the loss of the batch."""

import pytest
import torch
from torch import Tensor

from ocrnet.losses.base import Loss, Whole
from tests.ocrnet.losses.examples import EVERY, WEIGHTS, make

LOGITS = torch.randn(6, 5, 6, 7, generator=torch.Generator().manual_seed(3))
LABELS = torch.randint(0, 5, (6, 6, 7), generator=torch.Generator().manual_seed(4))
LABELS[0, :5] = 255  # parts have unequal numbers of valid pixels
LABELS[2] = 255
IMAGES = torch.tensor([1.0, 0.25, 2.0, 1.0, 3.0, 0.5])
PIXELS = torch.rand(6, 6, 7, generator=torch.Generator().manual_seed(5))
MEANS = {
    "ce": make("ce"),
    "weighted ce": make("ce", class_weights=WEIGHTS),
    "weighted focal": make("focal", class_weights=WEIGHTS, gamma=1.0),
    "lovasz": make("lovasz"),
    "auxiliary loss of ohem_official": make("ohem_official").aux,
    "sum": make("ce + 2*lovasz + 0.5*focal", class_weights=WEIGHTS),
}


def added(loss: Loss, logits: Tensor, labels: Tensor, weights: Tensor, parts: int) -> Tensor:
    """Return the sum over parts that get the images in turn."""
    whole = Whole(labels, weights)
    return torch.stack(
        [
            loss(
                logits[k::parts], labels[k::parts], weights[k::parts], whole if parts > 1 else None
            )
            for k in range(parts)
        ]
    ).sum()


@pytest.mark.parametrize("weights", [torch.ones(6), IMAGES, PIXELS], ids=["1", "images", "pixels"])
@pytest.mark.parametrize("parts", [2, 3, 6])
@pytest.mark.parametrize("name", MEANS)
def test_parts_of_a_mean_add_up_to_it_and_to_its_gradient(
    name: str, parts: int, weights: Tensor
) -> None:
    found = []
    for count in (1, parts):
        leaf = LOGITS.clone().requires_grad_()
        value = added(MEANS[name], leaf, LABELS, weights, count)
        value.backward()  # type: ignore[no-untyped-call]
        found.append((value.detach(), leaf.grad))
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("text", EVERY)
def test_equal_parts_add_up_to_the_batch_for_every_loss(text: str) -> None:
    """Losses that compare the pixels of a batch find the same in each part here."""
    logits, labels = (values[3:].repeat_interleave(2, dim=0) for values in (LOGITS, LABELS))
    whole = added(make(text, min_kept=40), logits, labels, torch.ones(6), 1)
    parts = added(make(text, min_kept=20), logits, labels, torch.ones(6), 2)
    # ohem_official keeps the pixels above that after the min_kept hardest, of which there are two in the batch.
    torch.testing.assert_close(parts, whole, rtol=0.03 if "official" in text else 1e-5, atol=1e-6)


@pytest.mark.parametrize("text", EVERY)
def test_parts_of_an_ignored_batch_cost_nothing(text: str) -> None:
    value = added(make(text), LOGITS, torch.full_like(LABELS, 255), torch.ones(6), 3)
    assert value == 0
