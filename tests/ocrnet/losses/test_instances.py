"""Targets and loss of centre heat map and offsets."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ocrnet.losses.instances import UNKNOWN, instance_loss, instance_targets, weight_maps

NUMBERS = torch.tensor([[[7, 7, 7, 0, 0], [0, 0, 0, 0, 900], [0, 0, 0, 0, 900]]])


def test_targets_of_two_objects_by_hand() -> None:
    found = instance_targets(NUMBERS, sigma=2.0)
    # Centres: row 0, column 1; row 1.5, column 4.
    assert found.offsets[0, :, 0, :3].tolist() == [[0, 0, 0], [1, 0, -1]]
    assert found.offsets[0, :, 1:, 4].tolist() == [[0.5, -0.5], [0, 0]]
    assert found.offsets[0, :, 2, 0].tolist() == [0, 0]
    assert found.heat[0, 0, 1] == 1
    assert found.heat[0, 0, 0].item() == pytest.approx(math.exp(-1 / 8))
    # Between both, the nearer centre counts: 3.25 + 1 against 2.25 + 1 squared pixels.
    assert found.heat[0, 0, 3].item() == pytest.approx(math.exp(-(1.5**2 + 1) / 8))
    assert found.inside.sum() == 5
    assert found.known.all()


def test_an_image_of_unknown_objects_has_no_weight() -> None:
    numbers = torch.full((1, 2, 3), UNKNOWN)
    found = instance_targets(numbers, sigma=2.0)
    maps = torch.randn(1, 3, 2, 3, requires_grad=True)
    losses = instance_loss(
        maps, found, torch.ones(1, 2, 3, dtype=torch.bool), torch.ones(1), unit=16.0
    )
    assert [loss.item() for loss in losses] == [0, 0]


def test_the_loss_of_two_pixels_by_hand() -> None:
    numbers = torch.tensor([[[3, 3]]])
    targets = instance_targets(numbers, sigma=1.0)  # the centre lies between them
    heat = math.exp(-0.125)
    maps = torch.zeros(1, 3, 1, 2)
    maps[0, 0, 0] = torch.tensor([heat, heat + 0.5])
    maps[0, 2, 0] = torch.tensor(
        [0.25, 0.25]
    )  # right: half a pixel in units of 2 pixels, and - that
    valid = torch.ones(1, 1, 2, dtype=torch.bool)
    centre, offset = instance_loss(maps, targets, valid, torch.ones(1), unit=2.0)
    assert centre.item() == pytest.approx(0.25 / 2)
    assert offset.item() == pytest.approx((0 + 0.5 / 2) / 2)
    valid[0, 0, 1] = False
    centre, offset = instance_loss(maps, targets, valid, torch.ones(1), unit=2.0)
    assert centre.item() == pytest.approx(0, abs=1e-12)
    assert offset.item() == 0


def test_perfect_maps_cost_nothing_and_gradients_reach_all_maps() -> None:
    targets = instance_targets(NUMBERS, sigma=2.0)
    valid = torch.ones(NUMBERS.shape, dtype=torch.bool)
    perfect = torch.cat([targets.heat[:, None], targets.offsets / 16], dim=1)
    losses = instance_loss(perfect, targets, valid, torch.ones(1), unit=16.0)
    assert [one.item() for one in losses] == [0, 0]
    maps = torch.randn(1, 3, 3, 5, requires_grad=True)
    sum(instance_loss(maps, targets, valid, torch.ones(1), unit=16.0)).backward()  # type: ignore[union-attr]
    assert maps.grad is not None
    assert (maps.grad[:, 0] != 0).all()
    assert ((maps.grad[:, 1:] != 0).all(dim=1) == targets.inside).all()


def test_parts_of_a_batch_add_up_to_it() -> None:
    rng = torch.Generator().manual_seed(0)
    numbers = torch.randint(0, 4, (4, 6, 6), generator=rng)
    maps = torch.randn(4, 3, 6, 6, generator=rng)
    valid = torch.rand(4, 6, 6, generator=rng) < 0.8
    weights = torch.tensor([1.0, 0.5, 2.0, 1.0])
    whole_targets = instance_targets(numbers, sigma=2.0)
    totals = weight_maps(whole_targets.known, whole_targets.inside, valid, weights)
    whole = instance_loss(maps, whole_targets, valid, weights, unit=16.0)
    parts = [
        instance_loss(
            maps[turn], instance_targets(numbers[turn], sigma=2.0), valid[turn], weights[turn],
            unit=16.0, whole=(totals[0].sum(), totals[1].sum()),
        )
        for turn in (slice(0, None, 2), slice(1, None, 2))
    ]  # fmt: skip
    for k in range(2):
        assert sum(part[k].item() for part in parts) == pytest.approx(whole[k].item(), rel=1e-5)


@given(arrays(np.int64, (5, 7), elements=st.integers(0, 3)))
def test_every_offset_leads_to_the_mean_of_its_object(drawn: np.ndarray) -> None:
    numbers = torch.from_numpy(drawn)[None]
    found = instance_targets(numbers, sigma=1.5)
    rows, columns = torch.meshgrid(torch.arange(5.0), torch.arange(7.0), indexing="ij")
    places = torch.stack([rows, columns]) + found.offsets[0]
    for number in torch.unique(numbers[numbers > 0]):
        own = numbers[0] == number
        mean = torch.stack([rows[own].mean(), columns[own].mean()])
        assert torch.allclose(places[:, own], mean[:, None].expand(-1, int(own.sum())), atol=1e-5)
    assert ((found.offsets[0] == 0).all(dim=0) | (numbers[0] > 0)).all()
    assert 0 <= found.heat.min() <= found.heat.max() <= 1
