"""Targets and losses of heat, boxes and masks."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrnet.losses.detection import box_losses, heat_loss, mask_losses
from ocrnet.losses.object_targets import at_most, heat_targets, object_targets, one_per_cell


def targets_of(numbers: torch.Tensor, labels: torch.Tensor, grid: tuple[int, int]):  # type: ignore[no-untyped-def]
    return object_targets(numbers, labels, torch.tensor([1.0, 0.5])[: len(numbers)], grid)


def test_middle_box_class_and_weight_of_each_object() -> None:
    numbers = torch.zeros(2, 6, 8, dtype=torch.int64)
    numbers[0, 1:3, 2:6] = 7
    numbers[0, 4:, 7] = 2
    numbers[1, 0, 0] = 7
    numbers[1, 5] = -1
    labels = torch.where(numbers == 2, 2, (numbers == 7).long())
    found = targets_of(numbers, labels, (3, 4))
    assert found.images.tolist() == [0, 0, 1]
    assert found.numbers.tolist() == [2, 7, 7]
    assert found.class_ids.tolist() == [2, 1, 1]
    assert found.boxes.tolist() == [
        [3.5, 6.5, 5.5, 7.5],
        [0.5, 1.5, 2.5, 5.5],
        [-0.5, -0.5, 0.5, 0.5],
    ]
    assert found.cells.tolist() == [[2, 3], [1, 2], [0, 0]]
    assert found.weights.tolist() == [1, 1, 0.5]


def test_the_smallest_object_of_a_cell_has_its_box_and_mask() -> None:
    numbers = torch.zeros(1, 8, 8, dtype=torch.int64)
    numbers[0, 1:7, 1:7] = 1
    numbers[0, 3:5, 3:5] = 2
    numbers[0, 7, 7] = 3
    found = targets_of(numbers, (numbers > 0).long(), (2, 2))
    assert found.cells.tolist() == [[1, 1]] * 3
    assert one_per_cell(found).numbers.tolist() == [3]
    apart = targets_of(numbers, (numbers > 0).long(), (8, 8))
    assert one_per_cell(apart).numbers.tolist() == [2, 3]


def test_evenly_taken_objects_of_each_image() -> None:
    numbers = torch.arange(1, 17).reshape(2, 2, 4)
    numbers[1, 1] = 0
    found = targets_of(numbers, (numbers > 0).long(), (2, 4))
    assert at_most(found, 4).numbers.tolist() == [1, 3, 5, 7, 9, 10, 11, 12]


def test_heat_is_one_at_the_cell_and_a_gaussian_in_pixels_around_it() -> None:
    numbers = torch.zeros(1, 8, 8, dtype=torch.int64)
    numbers[0, 2:4, 2:4] = 1
    found = targets_of(numbers, (numbers > 0).long(), (4, 4))
    heat = heat_targets(found, (1, 2, 4, 4), cell=(2.0, 2.0), sigma=2.0)
    assert (heat[0, 0] == 0).all()
    assert heat[0, 1, 1, 1] == 1
    assert heat[0, 1, 1, 2].item() == pytest.approx(math.exp(-4 / 8))
    assert heat[0, 1, 3, 0].item() == pytest.approx(math.exp(-(16 + 4) / 8))


def test_the_loss_of_heat_by_hand() -> None:
    logits = torch.log(torch.tensor([0.8, 0.4, 0.4]) / torch.tensor([0.2, 0.6, 0.6]))
    targets = torch.tensor([1.0, 0.5, 0.0])
    weights = torch.tensor([1.0, 1.0, 2.0])
    found = heat_loss(logits.view(1, 1, 1, 3), targets.view(1, 1, 1, 3), weights.view(1, 1, 3))
    near = 0.5**4 * 0.4**2 * math.log(0.6)
    far = 0.4**2 * math.log(0.6)
    assert found.item() == pytest.approx(-(0.2**2 * math.log(0.8) + near + 2 * far))


def test_the_loss_of_a_box_by_hand() -> None:
    true = torch.tensor([[0.0, 0.0, 2.0, 2.0]]).repeat(3, 1)
    boxes = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3], [0, 3, 2, 4]])
    # Shared 1, union 7, hull 9; then apart: union 6, hull 8.
    assert box_losses(boxes, true).tolist() == pytest.approx([0, 1 - (1 / 7 - 2 / 9), 1 + 2 / 8])


@given(st.lists(st.floats(0.1, 50), min_size=8, max_size=8), st.floats(0.1, 10))
@settings(max_examples=30)
def test_the_loss_of_a_box_is_symmetric_and_has_no_unit(values: list[float], unit: float) -> None:
    corner, size = torch.tensor(values).view(2, 2, 2).double().unbind(dim=1)
    one, other = torch.cat([corner, corner + size], dim=1)[:, None].unbind()
    loss = box_losses(one, other)
    assert 0 <= loss.item() < 2
    torch.testing.assert_close(loss, box_losses(other, one))
    torch.testing.assert_close(loss, box_losses(one * unit, other * unit))


def test_the_loss_of_a_mask_by_hand_and_outside_nothing() -> None:
    logits = torch.tensor([[[0.0, 0.0], [50.0, 50.0]]], requires_grad=True)
    targets = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    inside = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    loss = mask_losses(logits, targets, inside)
    assert loss.item() == pytest.approx(math.log(2) + 1 - (2 * 0.5 + 1) / (1 + 1 + 1))
    (grad,) = torch.autograd.grad(loss.sum(), logits)
    assert grad[0, 1].tolist() == [0, 0]
    assert (grad[0, 0].sign() == torch.tensor([-1.0, 1.0])).all()
