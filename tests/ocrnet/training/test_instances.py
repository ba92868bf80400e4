"""Instance maps through the training: augmentation, batches, steps."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocrnet.bundles.bundle import load_bundle
from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params
from ocrnet.data.instance_maps import read_instances
from ocrnet.errors import ParamsError
from ocrnet.inference.predict import load_segmenter
from ocrnet.losses.instances import UNKNOWN
from ocrnet.objects.grouping import find_objects
from ocrnet.objects.object_map import components
from ocrnet.preflight.names import check_component_names
from ocrnet.record import Recorder
from ocrnet.runtime import keyed_generator
from ocrnet.training.batches import APART, TrainBatch
from ocrnet.training.data import TrainingData
from ocrnet.training.step import SegmenterTrainer
from ocrnet.training.train import train_segmenter
from ocrnet.training.transforms import TrainTransform
from tests.base_params import params_with
from tests.ocrnet.conftest import CLASSES, toy_params, write_toy_set
from tests.ocrnet.evaluation.things import add_things

ALL = {
    "scale_range": [0.5, 2.0], "flip": True, "vertical_flip": 0.5, "rotation": 30.0, "elastic": 3.0,
    "rare_crops": 0.5, "cutmix": 0.5,
}  # fmt: skip


def params_of(**train: object) -> Params:
    kind = train.pop("instances", "offsets")
    values = toy_params(**train).model_dump(mode="json", by_alias=True)
    values["model"] |= {"instances": kind, "arch": "ocr_cascade"}
    values["data"] |= {"things": list(CLASSES.class_names[1:])}
    return params_with(values)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("prepared")
    folder = write_toy_set(root, counts={"train": 6, "val": 2, "test": 2}, size=(64, 72))
    add_things(folder, CLASSES.class_names[1:])
    return folder


@given(st.integers(0, 10**6))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_numbers_move_with_their_labels(seed: int) -> None:
    """Whatever moves an image, its labels are those of the plain transform, and each object keeps its class."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 3, (9, 11)).astype(np.uint8)
    label_map = coarse.repeat(6, axis=0).repeat(6, axis=1)
    label_map[:3] = 255
    numbers = components(label_map, (1, 2)).numbers.astype(np.uint16)
    numbers[numbers > 0] += rng.integers(0, 65535 - numbers.max(), dtype=np.uint16)
    image = rng.integers(0, 256, (*label_map.shape, 3), dtype=np.uint8)
    transform = TrainTransform(params_of(**ALL).train, crop_size=(40, 48), ignore_index=255)
    pixels, labels = transform(image, label_map, generator=keyed_generator(seed, "x"))
    same, moved, found = transform.with_numbers(
        image, label_map, numbers, generator=keyed_generator(seed, "x")
    )
    assert torch.equal(pixels, same)
    assert torch.equal(labels, moved)
    assert torch.equal(found > 0, (labels == 1) | (labels == 2))
    for number in torch.unique(found[found > 0]).tolist():
        classes = set(labels[found == number].tolist())
        assert classes == set(label_map[numbers == number].tolist())


def test_a_flip_mirrors_numbers_and_labels() -> None:
    label_map = np.zeros((40, 48), np.uint8)
    label_map[5:9, 3:7], label_map[5:9, 7:11] = 1, 1
    numbers = np.zeros((40, 48), np.uint16)
    numbers[5:9, 3:7], numbers[5:9, 7:11] = 1, 65535
    recipe = params_of(scale_range=[1.0, 1.0], flip=True, rare_crops=0.0).train
    transform = TrainTransform(recipe, crop_size=(40, 48), ignore_index=255)
    image = np.zeros((40, 48, 3), np.uint8)
    seen = set()
    for seed in range(8):
        _, labels, found = transform.with_numbers(
            image, label_map, numbers, generator=keyed_generator(seed, "f")
        )
        assert torch.equal(found > 0, labels == 1)
        mirrored = bool(found[6, 44] == 1)
        expected = numbers[:, ::-1] if mirrored else numbers
        np.testing.assert_array_equal(found.numpy(), expected)
        seen.add(mirrored)
    assert seen == {False, True}


def batches_of(prepared: Path, params: Params, count: int) -> list[TrainBatch]:
    data = TrainingData.read(prepared)
    found = data.batches(params, seed=3)
    return [next(found) for _ in range(count)]


def test_batches_have_objects_where_labels_are_things(prepared: Path) -> None:
    """Also where CutMix pastes: what it pastes has numbers of its own."""
    pasted = 0
    for batch in batches_of(prepared, params_of(**ALL), 6):
        assert batch.numbers is not None
        inside = (batch.label_maps == 1) | (batch.label_maps == 2)
        assert torch.equal(batch.numbers > 0, inside)
        pasted += int((batch.numbers > APART).any())
        for labels, numbers in zip(batch.label_maps, batch.numbers, strict=True):
            for number in torch.unique(numbers[numbers > 0]):
                assert len(torch.unique(labels[numbers == number])) == 1
    assert pasted


def test_without_the_heads_batches_are_the_same_but_for_the_numbers(prepared: Path) -> None:
    with_heads = params_of(**ALL)
    without = params_with(
        {**with_heads.model_dump(mode="json", by_alias=True),
         "model": {**with_heads.model.model_dump(mode="json"), "instances": "none"}}
    )  # fmt: skip
    for one, other in zip(
        batches_of(prepared, with_heads, 3), batches_of(prepared, without, 3), strict=True
    ):
        assert other.numbers is None
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.label_maps, other.label_maps)


def test_pairs_whose_objects_are_not_known_have_none(prepared: Path, tmp_path: Path) -> None:
    extra = write_toy_set(tmp_path, counts={"train": 4}, size=(64, 72))
    data = TrainingData.read(prepared, extra=extra)
    batch = next(data.batches(params_of(cutmix=0.0), seed=0))
    assert batch.numbers is not None
    kinds = [bool((one == UNKNOWN).all()) for one in batch.numbers]
    assert sorted(kinds) == [False, False, True, True]
    assert int((batch.numbers == UNKNOWN).any(dim=2).any(dim=1).sum()) == 2


def train(prepared: Path, out: Path, params: Params, *, stop: int | None = None) -> None:
    data = TrainingData.read(prepared)
    store = CheckpointStore(out.parent / f"{out.name}.ckpt")
    if stop is not None:
        data = _Stopped(data.classes, data.real, data.val, data.extra, data.things)
    out.mkdir(exist_ok=True)
    train_segmenter(params, data, seed=0, out=out, recorder=Recorder(out), checkpoints=store)


class _Stopped(TrainingData):
    """Data that end after five batches, like a process that is killed."""

    def batches(self, params, *, seed, first=0):  # type: ignore[no-untyped-def]
        for count, batch in enumerate(super().batches(params, seed=seed, first=first)):
            if first + count == 5:
                raise KeyboardInterrupt
            yield batch


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["offsets", "attention"])
def test_a_resumed_training_is_an_uninterrupted_one(
    prepared: Path, tmp_path: Path, kind: str
) -> None:
    params = params_of(instances=kind, cutmix=0.5, accumulate=2)
    train(prepared, tmp_path / "whole", params)
    with pytest.raises(KeyboardInterrupt):
        train(prepared, tmp_path / "resumed", params, stop=5)
    train(prepared, tmp_path / "resumed", params)
    one, other = (
        (tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "resumed")
    )
    assert one == other
    model, card = load_bundle(tmp_path / "whole")
    assert (card.options["instances"], card.things) == (kind, CLASSES.class_names[1:])
    assert model.instance_heads is not None
    segmenter = load_segmenter(tmp_path / "whole")
    image = np.zeros((64, 72, 3), np.uint8)
    found = find_objects(segmenter, image, segmenter.probabilities(image), (1, 2))
    assert found.numbers.shape == (64, 72)


@pytest.mark.slow
def test_one_batch_is_learned_with_its_objects(prepared: Path) -> None:
    params = params_of(steps=60, lr=0.01, warmup_steps=2, flip=False, scale_range=[1.0, 1.0])
    data = TrainingData.read(prepared)
    trainer = SegmenterTrainer(params, data, seed=0)
    batch = next(data.batches(params, seed=0))
    first = trainer.step(0, batch, rate=0.01).loss
    for step in range(1, 60):
        last = trainer.step(step, batch, rate=0.01).loss
    assert last < first / 4


def test_the_heads_need_things_and_an_architecture_that_has_them() -> None:
    values = params_of().model_dump(mode="json", by_alias=True)
    with pytest.raises(
        ParamsError, match=r"model\.instances: offsets .* data\.things names no class"
    ):
        params_with({**values, "data": {**values["data"], "things": []}})
    other = params_with({**values, "model": {**values["model"], "arch": "fcn"}})
    with pytest.raises(
        ParamsError, match=r"model\.instances: found offsets, but fcn has no such heads"
    ):
        check_component_names(other)


def test_the_written_maps_are_read_by_row(prepared: Path) -> None:
    data = TrainingData.read(prepared)
    name = str(data.real.table["id"][0])
    np.testing.assert_array_equal(
        data.real.numbers(0), read_instances(prepared / "instances" / f"{name}.png")
    )
