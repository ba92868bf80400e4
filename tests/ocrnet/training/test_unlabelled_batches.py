"""Batches of unlabelled images: two views of one crop, each image once per epoch, the same for any division."""

import numpy as np
import pytest
import torch

from ocrnet.config import MeanTeacherParams, Params
from ocrnet.runtime import keyed_generator
from ocrnet.training import unlabelled_batches as module
from ocrnet.training.unlabelled_batches import PairSampler, UnlabelledBatch, unlabelled_batches
from ocrnet.training.unlabelled_images import UnlabelledImages
from ocrnet.training.views import ViewPair
from tests.base_params import section_with
from tests.ocrnet.conftest import toy_params
from tests.ocrnet.training.test_mean_teacher import write_unlabelled

PLAIN = section_with(MeanTeacherParams, color_jitter=0.0, grayscale=0.0, blur=0.0, cutmix=0.0)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> UnlabelledImages:
    return UnlabelledImages.read(write_unlabelled(tmp_path_factory.mktemp("set"), count=5))


def params_of(teacher: MeanTeacherParams | None = None, **train: object) -> Params:
    params = toy_params(**train)
    return params.model_copy(update={"mean_teacher": teacher or params.mean_teacher})


def drawn(params: Params, images: UnlabelledImages, *, first: int = 0) -> list[UnlabelledBatch]:
    return list(unlabelled_batches(images, params, seed=3, first=first))


def test_without_strong_changes_both_views_are_one(images: UnlabelledImages) -> None:
    for batch in drawn(params_of(PLAIN, steps=3), images):
        assert torch.equal(batch.weak, batch.strong)
        assert not batch.boxes.any()


def test_views_differ_in_colour_alone(images: UnlabelledImages) -> None:
    """A picture of one gray level with a brighter frame: the frame is at the same place in both views."""
    image = np.full((60, 60, 3), 40, np.uint8)
    image[20:40, 10:50] = 200
    teacher = section_with(MeanTeacherParams, color_jitter=0.5, grayscale=0.0, blur=0.0)
    views = ViewPair(teacher, toy_params().train, crop_size=(64, 64))
    moved = 0
    for k in range(20):
        weak, strong, inside = views(image, generator=keyed_generator(k))
        assert not weak[:, ~inside].any()
        bright = weak[0] > 120
        middle = strong[0][inside].float()
        if (middle.max() - middle.min()) > 1:
            level = (middle.max() + middle.min()) / 2
            differ = (bright != (strong[0] > level))[inside].float().mean()
            assert differ < 0.05
        moved += int(not torch.equal(weak, strong))
    assert moved == 20


def test_padding_is_outside_and_has_no_share_in_the_image(images: UnlabelledImages) -> None:
    params = params_of(PLAIN, scale_range=[0.5, 0.5])
    for batch in drawn(params, images):
        assert batch.inside.float().mean() == pytest.approx(32 * 40 / 64**2)
        assert not batch.weak.movedim(1, -1)[~batch.inside].any()


def test_every_image_comes_once_before_one_comes_twice() -> None:
    sampler = PairSampler(5, per_batch=2, first=0, steps=10, seed=0)
    rows = [place.row for step in range(10) for place in sampler.batch(step)]
    for epoch in range(4):
        assert sorted(rows[5 * epoch : 5 * epoch + 5]) == [0, 1, 2, 3, 4]
    assert rows[:5] != rows[5:10]


def test_a_batch_depends_on_seed_and_step_alone(images: UnlabelledImages) -> None:
    params = params_of(steps=4)
    whole, later = drawn(params, images), drawn(params, images, first=2)
    with_workers = drawn(params_of(steps=4, workers=1), images)
    for one, other in [*zip(whole[2:], later, strict=True), *zip(whole, with_workers, strict=True)]:
        assert one.ids == other.ids
        for name in ("weak", "strong", "inside", "boxes"):
            assert torch.equal(getattr(one, name), getattr(other, name))


def test_ranks_get_whole_pairs_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    places = PairSampler(7, per_batch=8, first=0, steps=1, seed=0).batch(0)
    found = []
    for rank in range(2):
        monkeypatch.setattr(module, "rank", lambda rank=rank: rank)
        monkeypatch.setattr(module, "world_size", lambda: 2)
        (own,) = PairSampler(7, per_batch=8, first=0, steps=1, seed=0)
        found.append([place.place for place in own])
    assert found == [[0, 1, 4, 5], [2, 3, 6, 7]]
    assert [place.place for place in places] == list(range(8))


def test_parts_are_whole_pairs(images: UnlabelledImages) -> None:
    (batch, *_) = drawn(params_of(batch_size=8, steps=3), images)
    halves = batch.parts(2)
    assert [part.ids for part in halves] == [batch.ids[:4], batch.ids[4:]]
    assert torch.equal(torch.cat([part.boxes for part in halves]), batch.boxes)


@pytest.mark.parametrize(("ratio", "count"), [(1.0, 8), (0.5, 4), (0.1, 2), (0.6, 4), (2.0, 16)])
def test_the_number_of_unlabelled_images_is_even(ratio: float, count: int) -> None:
    assert section_with(MeanTeacherParams, ratio=ratio).per_batch(8) == count
