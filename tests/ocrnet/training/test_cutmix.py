"""A pasted box holds pixels, labels and weights of the same place of another sample of the batch."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from ocrnet.config import RetrainParams
from ocrnet.runtime import keyed_generator
from ocrnet.training import batch_rows
from ocrnet.training.batch_rows import StepSampler
from ocrnet.training.batches import TrainBatch, train_batches
from ocrnet.training.cutmix import draw_box
from ocrnet.training.dataset import ImageFolder
from ocrnet.training.transforms import TrainTransform
from tests.base_params import section_with
from tests.ocrnet.conftest import toy_params

HALF = section_with(RetrainParams, real_fraction=0.5, synthetic_weight=0.25)


@pytest.fixture
def folder(toy_set: Path) -> ImageFolder:
    return ImageFolder.read(toy_set, split="train")


def batches(
    streams: list[ImageFolder], mix: RetrainParams = HALF, *, first: int = 0, **recipe: object
) -> list[TrainBatch]:
    params = toy_params(batch_size=4, steps=4, **recipe).train
    transform = TrainTransform(params, crop_size=(64, 64), ignore_index=255)
    return list(train_batches(streams, transform, recipe=params, mix=mix, seed=0, first=first))


def sampler(folder: ImageFolder, cutmix: float, *, steps: int = 4) -> StepSampler:
    return StepSampler(
        [folder, folder], batch_size=4, mix=HALF, first=0, steps=steps, seed=0, cutmix=cutmix
    )


def test_the_share_of_a_box_is_even_and_it_lies_inside() -> None:
    shares, centres = [], []
    for k in range(2000):
        rows, columns = draw_box((60, 100), generator=keyed_generator(k))
        assert 0 <= rows.start <= rows.stop <= 60
        assert 0 <= columns.start <= columns.stop <= 100
        shares.append((rows.stop - rows.start) * (columns.stop - columns.start) / 6000)
        centres.append((rows.start + rows.stop) / 120)
    shares.sort()
    for quantile in (0.1, 0.5, 0.9):
        assert shares[int(2000 * quantile)] == pytest.approx(quantile, abs=0.04)
    assert sum(centres) / 2000 == pytest.approx(0.5, abs=0.02)


def test_a_share_of_the_slots_has_a_donor_which_is_never_itself(folder: ImageFolder) -> None:
    drawn = [slot for batch in sampler(folder, 0.3, steps=1000) for slot in batch]
    donors = [(slot.place, slot.donor.place) for slot in drawn if slot.donor is not None]
    assert len(donors) / len(drawn) == pytest.approx(0.3, abs=0.03)
    assert all(place != other for place, other in donors)
    pairs = {pair: donors.count(pair) for pair in donors}
    assert len(pairs) == 12
    assert min(pairs.values()) > 0.6 * max(pairs.values())


def box_of(changed: Tensor) -> tuple[slice, slice]:
    """Return the smallest box around the pixels that changed."""
    rows, columns = (torch.nonzero(changed.any(dim))[:, 0].tolist() for dim in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def test_a_box_shows_another_sample_with_its_labels_and_weights(folder: ImageFolder) -> None:
    plain = batches([folder, folder])
    mixed = batches([folder, folder], cutmix=1.0)
    places = list(sampler(folder, 1.0))
    weighed = 0
    for before, after, slots_of_step in zip(plain, mixed, places, strict=True):
        assert before.weights.tolist() == [1, 1, 0.25, 0.25]
        assert after.weights.shape == (4, 64, 64)
        assert after.ids == before.ids
        for index, slot in enumerate(slots_of_step):
            assert slot.donor is not None
            donor = slot.donor.place
            box = box_of((after.images[index] != before.images[index]).any(0))
            for name in ("images", "label_maps"):
                expected = getattr(before, name)[index].clone()
                expected[..., box[0], box[1]] = getattr(before, name)[donor][..., box[0], box[1]]
                assert torch.equal(getattr(after, name)[index], expected), name
            weights = torch.full((64, 64), float(before.weights[index]))
            weights[box] = before.weights[donor]
            # Black padding may be equal in both images, so that the box is wider than what changed.
            differ = (after.weights[index] != weights).float().mean()
            assert differ < 0.1
            weighed += int(before.weights[index] != before.weights[donor])
    assert weighed > 2


def equal(left: list[TrainBatch], right: list[TrainBatch]) -> bool:
    return all(
        torch.equal(a.images, b.images)
        and torch.equal(a.label_maps, b.label_maps)
        and torch.equal(a.weights, b.weights)
        for a, b in zip(left, right, strict=True)
    )


def test_without_pasting_nothing_changes_and_weights_stay_those_of_images(
    folder: ImageFolder,
) -> None:
    assert all(batch.weights.shape == (4,) for batch in batches([folder, folder]))
    alike = section_with(RetrainParams, real_fraction=0.5, synthetic_weight=1.0)
    assert all(
        batch.weights.tolist() == [1] * 4 for batch in batches([folder, folder], alike, cutmix=1.0)
    )


def test_a_restart_pastes_the_same_boxes(folder: ImageFolder) -> None:
    whole = batches([folder, folder], cutmix=0.5)
    assert equal(whole[2:], batches([folder, folder], cutmix=0.5, first=2))


@pytest.mark.slow
def test_worker_processes_paste_the_same_boxes(folder: ImageFolder) -> None:
    whole = batches([folder, folder], cutmix=0.5)
    assert equal(whole, batches([folder, folder], cutmix=0.5, workers=2))


def test_ranks_paste_what_one_process_pastes(
    folder: ImageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A donor may belong to the other rank."""
    whole = batches([folder, folder], cutmix=1.0)
    monkeypatch.setattr(batch_rows, "world_size", lambda: 2)
    for rank in range(2):
        monkeypatch.setattr(batch_rows, "rank", lambda rank=rank: rank)
        for batch, part in zip(whole, batches([folder, folder], cutmix=1.0), strict=True):
            assert torch.equal(part.images, batch.images[rank::2])
            assert torch.equal(part.label_maps, batch.label_maps[rank::2])
            assert torch.equal(part.weights, batch.weights[rank::2])
