"""One step of the training: a batch in parts, frozen weights, and the rates of layers."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from ocrnet.config import Params
from ocrnet.models.layers import PREFIX
from ocrnet.training.batches import TrainBatch
from ocrnet.training.data import TrainingData
from ocrnet.training.step import SegmenterTrainer
from tests.ocrnet.conftest import toy_params


def params_of(model: dict[str, object], **train: object) -> Params:
    params = toy_params()
    sections = {"model": model, "train": train}
    return params.model_copy(
        update={name: getattr(params, name).model_copy(update=of) for name, of in sections.items()}
    )


def unequal_batch(data: TrainingData, params: Params) -> TrainBatch:
    """Return a batch whose images have unequal weights and numbers of valid pixels."""
    batch = next(data.batches(params, seed=0))
    batch.label_maps[0, 4:] = 255
    batch.label_maps[3, :, 8:] = 255
    return batch._replace(weights=torch.tensor([1.0, 0.25, 2.0, 1.0]))


def gradients(data: TrainingData, accumulate: int) -> dict[str, Tensor]:
    params = params_of(
        {"norm": "group", "dropout": 0.0}, accumulate=accumulate, loss="ce", clip_norm=None
    )
    trainer = SegmenterTrainer(params, data, seed=0)
    trainer.step(0, unequal_batch(data, params))
    return {
        name: weight.grad
        for name, weight in trainer.model.named_parameters()
        if weight.grad is not None
    }


def test_a_batch_in_parts_has_the_gradient_of_the_whole_batch(toy_set: Path) -> None:
    """A norm of groups sees one image at a time, so only the rounding may differ."""
    data = TrainingData.read(toy_set)
    whole = gradients(data, 1)
    largest = max(float(gradient.abs().max()) for gradient in whole.values())
    for parts in (2, 4):
        found = gradients(data, parts)
        assert found.keys() == whole.keys()
        for name, gradient in whole.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5 * largest)


@pytest.mark.parametrize(
    ("part", "kept"),
    [("backbone", ("",)), ("stem", ("conv_stem.", "bn1."))],
)
def test_frozen_weights_and_statistics_outlast_steps_in_the_model_and_in_its_average(
    toy_set: Path, part: str, kept: tuple[str, ...]
) -> None:
    data = TrainingData.read(toy_set)
    params = params_of(
        {"backbone": "tf_efficientnet_lite0", "pretrained": "auto", "freeze": part},
        weight_decay=0.1,
    )
    trainer = SegmenterTrainer(params, data, seed=0)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    for step, batch in zip(range(2), data.batches(params, seed=0), strict=False):
        trainer.step(step, batch)
    frozen = tuple(f"{PREFIX}{name}" for name in kept)
    for state in (trainer.model.state_dict(), trainer.average.model.state_dict()):
        changed = {name for name, value in state.items() if not torch.equal(value, before[name])}
        assert changed
        assert not [name for name in changed if name.startswith(frozen)]


def rates(params: Params, toy_set: Path) -> set[float]:
    trainer = SegmenterTrainer(params, TrainingData.read(toy_set), seed=0)
    return {round(group["rate"], 4) for group in trainer._optimizer.param_groups}


def test_layers_of_a_transformer_have_rates_of_their_own_only_with_pretrained_weights(
    toy_set: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.safetensors"
    save_file(timm.create_model("test_vit", pretrained=False).state_dict(), weights)
    recipe = {"layer_decay": 0.5, "backbone_lr_mult": 1.0}
    random = params_of({"backbone": "test_vit", "pretrained": False}, **recipe)
    assert rates(random, toy_set) == {1.0}
    pretrained = params_of({"backbone": "test_vit", "pretrained": str(weights)}, **recipe)
    assert {1.0, 0.5, 0.25, 0.125} <= rates(pretrained, toy_set)
