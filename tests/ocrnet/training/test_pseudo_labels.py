"""Pseudo-labels, their thresholds and their loss, by hand."""

import math

import pytest
import torch
from torch import Tensor

from ocrnet.models.output import SegmenterOutput
from ocrnet.training.pseudo_labels import ClassThresholds, pseudo_label_maps, swap_boxes
from ocrnet.training.pseudo_loss import PseudoLoss


def thresholds_of(
    confidences: dict[int, list[float]], *, classes: int = 3, **options: float
) -> list[float]:
    found = ClassThresholds(
        classes,
        threshold=options.get("threshold", 0.95),
        class_share=options.get("class_share", 0.5),
        device=torch.device("cpu"),
    )
    labels = [name for name, values in confidences.items() for _ in values]
    flat = [value for values in confidences.values() for value in values]
    shape = (1, 1, len(flat))
    found.update(
        torch.tensor(labels).view(shape), torch.tensor(flat).view(shape), torch.ones(shape, dtype=torch.bool)
    )  # fmt: skip
    return [float(value) for value in found.values()]


def test_a_class_of_which_the_teacher_is_unsure_keeps_its_surest_half() -> None:
    sure, unsure = [0.99] * 6 + [0.3] * 2, [0.52, 0.61, 0.72, 0.81]
    # Half of the unsure pixels reach 0.72; the lower edge of their bin of width 1/200 is 0.72.
    assert thresholds_of({0: sure, 1: unsure}) == pytest.approx([0.95, 0.72, 0.95], abs=0.0051)


def test_no_threshold_is_below_a_half() -> None:
    assert thresholds_of({0: [0.4] * 10}) == pytest.approx([0.5, 0.95, 0.95])


def test_with_no_share_every_class_has_the_one_threshold() -> None:
    found = thresholds_of({0: [0.6, 0.7], 1: [0.99]}, class_share=0.0, threshold=0.9)
    assert found == pytest.approx([0.9] * 3)


def test_past_batches_lose_their_influence() -> None:
    found = ClassThresholds(1, threshold=0.95, class_share=0.5, device=torch.device("cpu"))
    inside = torch.ones(1, 1, 4, dtype=torch.bool)
    zeros = torch.zeros(1, 1, 4, dtype=torch.long)
    for value, steps, expected in ((0.6, 50, 0.6), (0.8, 20, 0.6), (0.8, 100, 0.8)):
        for _ in range(steps):
            found.update(zeros, torch.full((1, 1, 4), value), inside)
        assert float(found.values()[0]) == pytest.approx(expected, abs=0.0051)
    other = ClassThresholds(1, threshold=0.95, class_share=0.5, device=torch.device("cpu"))
    other.load_state_dict(found.state_dict())
    assert torch.equal(other.values(), found.values())


def test_pixels_below_their_threshold_or_outside_are_ignored() -> None:
    classes = torch.tensor([[[0, 0, 1, 1, 1]]])
    confidences = torch.tensor([[[0.96, 0.9, 0.6, 0.4, 0.9]]])
    inside = torch.tensor([[[True, True, True, True, False]]])
    found = pseudo_label_maps(
        classes, confidences, torch.tensor([0.95, 0.5]), inside=inside, ignore_index=255
    )
    assert found.tolist() == [[[0, 255, 1, 255, 255]]]


def test_a_box_shows_the_other_image_of_its_pair() -> None:
    values = torch.arange(4)[:, None, None].expand(4, 2, 2).clone()
    boxes = torch.zeros(4, 2, 2, dtype=torch.bool)
    boxes[0, 0] = True
    boxes[3, :, 1] = True
    assert swap_boxes(values, boxes).tolist() == [
        [[1, 1], [0, 0]], [[1, 1], [1, 1]], [[2, 2], [2, 2]], [[3, 2], [3, 2]],
    ]  # fmt: skip
    images = values[:, None].expand(4, 3, 2, 2)
    assert torch.equal(swap_boxes(images, boxes)[:, 1], swap_boxes(values, boxes))


def loss_of(labels: Tensor, *, aux: bool) -> float:
    logits = torch.tensor([[0.0, 1.0], [0.0, 0.0]])[None, :, None]  # [1, 2, 1, 2]
    output = SegmenterOutput(logits, logits if aux else None)
    criterion = PseudoLoss(aux_weight=0.4, ignore_index=255)
    return float(criterion(output, labels, align_corners=False, pixels=torch.tensor(4.0)))


def test_the_loss_is_the_sum_over_pseudo_labels_divided_by_all_pixels() -> None:
    # Of the two pixels one has the class 0 at logits (1, 0); four pixels are inside the whole batch.
    labels = torch.tensor([[[255, 0]]])
    of_pixel = math.log(1 + math.exp(-1))
    assert loss_of(labels, aux=False) == pytest.approx(of_pixel / 4)
    assert loss_of(labels, aux=True) == pytest.approx(1.4 * of_pixel / 4)
    assert loss_of(torch.full((1, 1, 2), 255), aux=True) == 0
