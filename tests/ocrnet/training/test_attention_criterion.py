"""The joint loss of heat, boxes and masks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ocrnet.inference.predict import Segmenter
from ocrnet.losses.base import Whole
from ocrnet.models.attention_heads import EMBEDDING, QUERY, Detections
from ocrnet.models.output import SegmenterOutput
from ocrnet.objects.attention import Peaks, masks
from ocrnet.objects.grouping import find_objects
from ocrnet.training.attention_criterion import AttentionCriterion
from ocrnet.training.data import TrainingData
from ocrnet.training.instance_criterion import InstanceCriterion
from ocrnet.training.step import SegmenterTrainer
from tests.ocrnet.training.test_instances import params_of, prepared

__all__ = ["prepared"]
SIZE = (24, 36)


def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return label maps, numbers and weights of four images: three, one, no and unknown objects."""
    numbers = torch.zeros(4, *SIZE, dtype=torch.int64)
    numbers[0, 2:9, 3:8], numbers[0, 2:9, 8:12], numbers[0, 20:, 30:] = 4, 5, 900
    numbers[1, 5:20, 5:30] = 70000
    numbers[3] = -1
    labels = torch.where(numbers > 0, 1 + (numbers % 2), 0)
    labels[1, :3] = 255
    return labels, numbers, torch.tensor([1.0, 0.5, 2.0, 1.0])


def maps() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(4, 3 + 4 + QUERY + EMBEDDING, 12, 18, requires_grad=True)


def loss_of(
    output: torch.Tensor, images: slice = slice(None), weights: dict[str, float] | None = None
) -> torch.Tensor:
    labels, numbers, shares = scene()
    criterion = AttentionCriterion(
        params_of(instances="attention", **(weights or {})).train, ignore_index=255
    )
    whole = None if images == slice(None) else Whole(labels, shares, numbers)
    loss: torch.Tensor = criterion(
        SegmenterOutput(output[:, :3], None, output)._replace(instances=output[images]),
        labels[images], numbers[images],
        align_corners=False, sample_weights=shares[images], whole=whole,
    )  # fmt: skip
    return loss


def test_the_loss_is_the_weighted_sum_of_its_parts() -> None:
    output = maps()
    off = {"heat_weight": 0.0, "box_weight": 0.0, "mask_weight": 0.0}
    parts = [loss_of(output, weights={**off, name: 1.0}) for name in off]
    assert all(part > 0 for part in parts)
    total = loss_of(output, weights={"heat_weight": 2.0, "box_weight": 3.0, "mask_weight": 4.0})
    torch.testing.assert_close(total, 2 * parts[0] + 3 * parts[1] + 4 * parts[2])


def test_the_losses_of_parts_add_up_to_that_of_the_batch() -> None:
    output = maps()
    parts = [loss_of(output, slice(start, None, 2)) for start in range(2)]
    torch.testing.assert_close(sum(parts), loss_of(output))


def test_where_objects_are_not_known_nothing_is_learned_and_elsewhere_every_map_is() -> None:
    output = maps()
    (grad,) = torch.autograd.grad(loss_of(output), output)
    assert (grad[3] == 0).all()
    assert (grad[1, :3, :1] == 0).all()  # ignored pixels
    assert (grad[2, :3] != 0).all()
    assert (grad[2, 3:] == 0).all()
    assert (grad[:2].abs().amax(dim=(0, 2, 3)) > 0).all()


def test_a_batch_without_any_object_has_finite_gradients() -> None:
    output = maps()[2:].detach().requires_grad_()
    labels, numbers, shares = (part[2:] for part in scene())
    criterion = AttentionCriterion(params_of(instances="attention").train, ignore_index=255)
    loss = criterion(
        SegmenterOutput(output, None, output),
        labels,
        numbers,
        align_corners=False,
        sample_weights=shares,
    )
    (grad,) = torch.autograd.grad(loss, output)
    assert torch.isfinite(loss)
    assert torch.isfinite(grad).all()


def one_object() -> tuple[torch.Tensor, torch.Tensor]:
    """Return maps of 2 x 2 pixels a cell whose box is that of the object, and its numbers.

    The object's box runs from row 3.5 to 10.5 and from column 5.5 to 12.5; its middle lies in cell (3, 4), whose own
    middle is at (6.5, 8.5).
    """
    numbers = torch.zeros(1, *SIZE, dtype=torch.int64)
    numbers[0, 4:11, 6:13] = 9
    numbers[0, 10, 12] = 0
    output = maps()[:1].detach()
    output[0, 3:7, 3, 4] = torch.log(torch.expm1(torch.tensor([3.0, 3.0, 4.0, 4.0]) / 16))
    return output, numbers


def part_of(output: torch.Tensor, numbers: torch.Tensor, name: str) -> float:
    """Return one part of the loss."""
    labels = (numbers > 0).long()
    off = {"heat_weight": 0.0, "box_weight": 0.0, "mask_weight": 0.0}
    criterion = AttentionCriterion(
        params_of(instances="attention", **{**off, name: 1.0}).train, ignore_index=255
    )
    loss = criterion(
        SegmenterOutput(output, None, output), labels, numbers,
        align_corners=False, sample_weights=torch.ones(1),
    )  # fmt: skip
    return float(loss)


def test_the_box_of_a_cell_is_measured_from_the_middle_of_its_pixels() -> None:
    output, numbers = one_object()
    assert part_of(output, numbers, "box_weight") == pytest.approx(0, abs=1e-5)
    moved = torch.roll(numbers, -1, dims=2)  # 6 of 8 columns are shared, and the hull is the union
    assert part_of(output, moved, "box_weight") == pytest.approx(1 - 6 / 8, abs=1e-5)


def test_the_mask_that_is_trained_is_the_one_that_is_predicted() -> None:
    """The mask of the decoder at the 24 x 24 points, against the truth: cross-entropy and Dice by hand."""
    output, numbers = one_object()
    detections = Detections(output[0].numpy(), (2.0, 2.0), (1.0, 1.0))
    peaks = Peaks(np.array([1]), np.array([[3, 4]]), np.array([0.9]))
    (((rows, columns), mask),) = masks(detections, peaks, SIZE)
    whole = np.full(SIZE, np.nan)
    whole[rows, columns] = mask
    steps = np.linspace(-1.5, 1.5, 24, dtype=np.float32)
    down, right = np.round(7 + 3.5 * steps).astype(int), np.round(9 + 3.5 * steps).astype(int)
    assert down.min() >= 0
    assert right.min() >= 0
    p, true = whole[np.ix_(down, right)], numbers[0].numpy()[np.ix_(down, right)] == 9
    assert not np.isnan(p).any()
    entropy = -np.where(true, np.log(p), np.log1p(-p)).mean()
    dice = 1 - (2 * p[true].sum() + 1) / (p.sum() + true.sum() + 1)
    assert part_of(output, numbers, "mask_weight") == pytest.approx(entropy + dice, rel=1e-4)


@pytest.mark.parametrize("kind", ["attention", "offsets"])
def test_ignored_pixels_belong_to_no_object_even_if_they_have_a_number(kind: str) -> None:
    """Of one object a strip is ignored, of another one all: 255 is the class of none, and a part has its own box."""
    labels, numbers, shares = scene()
    labels[0, 2:5, 3:8], labels[0, 20:, 30:] = 255, 255
    visible = torch.where(labels == 255, torch.minimum(numbers, torch.tensor(0)), numbers)
    criterion = (AttentionCriterion if kind == "attention" else InstanceCriterion)(
        params_of(instances=kind).train, ignore_index=255
    )
    output = maps()[:, : 3 if kind == "offsets" else None]
    found = [
        criterion(
            SegmenterOutput(output[:1], None, output[:1]), labels[:1], one[:1],
            align_corners=False, sample_weights=shares[:1],
        )
        for one in (numbers, visible)
    ]  # fmt: skip
    assert (numbers[0] != visible[0]).any()
    assert torch.equal(*found)


@pytest.mark.slow
def test_one_batch_is_learned_and_its_objects_are_found(prepared: Path) -> None:
    params = params_of(
        instances="attention",
        steps=80,
        lr=0.01,
        warmup_steps=2,
        flip=False,
        scale_range=[1.0, 1.0],
        ema_decay=0.5,
    )
    data = TrainingData.read(prepared)
    trainer = SegmenterTrainer(params, data, seed=0)
    batch = next(data.batches(params, seed=0))
    first = trainer.step(0, batch, rate=0.01).loss
    for step in range(1, 80):
        last = trainer.step(step, batch, rate=0.01).loss
    assert last < first / 4
    assert batch.numbers is not None
    segmenter = Segmenter(trainer.average.model, trainer.card)
    image = batch.images[0].permute(1, 2, 0).numpy()
    found = find_objects(segmenter, image, segmenter.probabilities(image), (1, 2), min_area=12)
    true = [int((batch.numbers[0] == n).sum()) for n in torch.unique(batch.numbers[0]) if n > 0]
    assert len(found) == sum(area >= 12 for area in true)
