"""The norm policies: what each averages over, what it trains, and what it leaves of the weights' names."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from ocrnet.bundles.bundle import MODEL_FILE, build_model, load_bundle, save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.distributed.ranks import rank, sum_over_ranks, world_size
from ocrnet.distributed.sync_norms import SyncBatchNorm2d
from ocrnet.errors import ParamsError
from ocrnet.models import build_segmenter
from ocrnet.models.norm_layers import GroupNorm2d, number_of_groups
from ocrnet.models.norm_policies import NORMS, apply_norm
from ocrnet.models.output import SegmentationModel, SegmenterOutput
from ocrnet.training.optim import build_optimizer
from tests.ocrnet.conftest import CLASSES, toy_params
from tests.ocrnet.distributed.ranks import WORLD, over_ranks

OPTIONS: dict[str, Any] = {
    "backbone": "resnet18",
    "mid_channels": 16,
    "key_channels": 8,
    "dropout": 0.0,
}


def segmenter(norm: str) -> SegmentationModel:
    torch.manual_seed(0)
    return build_segmenter("ocrnet", num_classes=3, norm=norm, **OPTIONS)


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def close(left: SegmenterOutput, right: SegmenterOutput) -> bool:
    assert left.aux_logits is not None
    assert right.aux_logits is not None
    return torch.allclose(left.logits, right.logits, rtol=1e-3, atol=1e-4) and torch.allclose(
        left.aux_logits, right.aux_logits, rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("norm", NORMS)
def test_names_and_shapes_of_the_weights_stay(norm: str) -> None:
    """Released weights load under any policy; only group norm has no running statistics."""
    plain = {name: value.shape for name, value in segmenter("batch").state_dict().items()}
    chosen = {name: value.shape for name, value in segmenter(norm).state_dict().items()}
    if norm == "group":
        statistics = ("running_mean", "running_var", "num_batches_tracked")
        plain = {name: shape for name, shape in plain.items() if not name.endswith(statistics)}
    assert chosen == plain


def test_synchronised_norms_of_a_lone_process_are_batch_norms() -> None:
    batch, sync = segmenter("batch").train(), segmenter("sync").train()
    assert isinstance(sync.get_submodule("head.reduce.1"), SyncBatchNorm2d)
    assert torch.equal(batch(images()).logits, sync(images()).logits)
    for (name, one), (_, other) in zip(
        batch.state_dict().items(), sync.state_dict().items(), strict=True
    ):
        assert torch.equal(one, other), name


def feats() -> Tensor:
    """Seven images whose features lie far from 0, where sums of squares lose digits."""
    generator = torch.Generator().manual_seed(2)
    return 100 + torch.randn(7, 5, 4, 3, generator=generator, dtype=torch.float64)


def norm_step(feats: Tensor, norm: str) -> dict[str, Tensor]:
    """Norm features twice and differentiate a loss over all ranks."""
    net = nn.Sequential(nn.BatchNorm2d(5), BatchNormAct2d(5)).double()
    apply_norm(net, norm)
    values = feats.clone().requires_grad_()
    normed = net(values)
    weights = torch.arange(5.0, dtype=torch.float64).view(5, 1, 1)
    loss = sum_over_ranks((normed * weights).square().sum())
    loss.backward()  # type: ignore[no-untyped-call]
    # Each rank's loss is that of all, so what reaches a rank is as many times too large as there are ranks.
    assert values.grad is not None
    here = {"normed": normed.detach(), "gradient": values.grad / world_size()}
    shared = {
        f"gradient of {name}": sum_over_ranks(weight.grad) / world_size()
        for name, weight in net.named_parameters()
        if weight.grad is not None
    }
    return {**here, **shared, **net.state_dict()}


def step_of_a_rank() -> dict[str, Tensor]:
    """The step on this rank's share: four images at the first, three at the second."""
    return norm_step(feats()[rank() :: WORLD], "sync")


def test_two_ranks_norm_as_one_process_does(tmp_path: Path) -> None:
    whole = norm_step(feats(), "batch")
    parts = over_ranks(step_of_a_rank, folder=tmp_path)
    for index, part in enumerate(parts):
        assert part.keys() == whole.keys()
        for name, value in whole.items():
            expected = value[index::WORLD] if name in ("normed", "gradient") else value
            assert torch.allclose(part[name], expected, rtol=1e-9, atol=1e-9), (name, index)


@pytest.mark.parametrize(
    ("channels", "groups"), [(512, 32), (64, 32), (48, 24), (18, 9), (16, 8), (17, 1), (1, 1)]
)
def test_groups_are_as_many_as_divide_up_to_32_with_two_channels_each(
    channels: int, groups: int
) -> None:
    assert number_of_groups(channels) == groups


def test_group_norm_has_the_statistics_of_one_image_in_training_and_prediction() -> None:
    """The folds of prediction must leave it alone, too."""
    model = segmenter("group")
    both = model.train()(images())
    alone = model(images()[:1])
    with torch.no_grad():
        predicted = model.eval()(images())
    assert close(both, predicted)
    assert torch.allclose(both.logits[:1], alone.logits, atol=1e-4)


def test_group_norm_starts_with_the_scale_of_the_batch_norm_it_replaces() -> None:
    """In timm the last norm of a residual block starts at 0."""
    net = timm.create_model("resnet18", zero_init_last=True, num_classes=0)
    apply_norm(net, "group")
    assert isinstance(net.layer1[0].bn2, GroupNorm2d)
    assert float(net.layer1[0].bn2.weight.detach().abs().max()) == 0.0


def test_frozen_norms_keep_their_statistics_and_get_no_gradient() -> None:
    model = segmenter("frozen")
    for norm in model.get_submodule("backbone").modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            nn.init.uniform_(norm.running_mean, -1, 1)
            nn.init.uniform_(norm.running_var, 0.5, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    backbone = model.get_submodule("backbone")
    with torch.no_grad():
        predicted = backbone.eval()(images())
    trained = backbone.train()(images())
    assert torch.allclose(predicted.main, trained.main, atol=1e-5)
    output = model.train()(images())
    optimizer = build_optimizer(model, toy_params(weight_decay=0.5, lr=0.1).train)
    (output.logits.sum() + output.aux_logits.sum()).backward()
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    optimizer.step()
    changed = {
        name for name, value in model.state_dict().items() if not torch.equal(value, before[name])
    }
    assert not {name for name in changed if name.startswith("backbone") and ".bn" in name}
    assert "backbone.net.layer1.0.conv1.weight" in changed
    assert {"head.reduce.1.weight", "head.reduce.1.running_mean"} <= changed


def test_frozen_without_a_backbone_is_told_in_one_line() -> None:
    with pytest.raises(ParamsError, match=r"model.norm: frozen .*UNet has none"):
        build_segmenter("unet", backbone="resnet18", num_classes=3, norm="frozen")


def test_a_policy_without_effect_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        apply_norm(nn.Sequential(nn.Conv2d(3, 4, 1)), "group")
    assert "model.norm has no effect" in caplog.text


def test_an_unknown_norm_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'layer' is unknown\. Known: batch, sync, group, frozen"):
        segmenter("layer")


@pytest.mark.parametrize("norm", NORMS)
def test_a_bundle_is_rebuilt_with_its_norms(tmp_path: Path, norm: str) -> None:
    card = ModelCard("ocrnet", {**OPTIONS, "norm": norm}, CLASSES)
    model = build_model(card).eval()
    save_bundle(tmp_path, card, model.state_dict())
    loaded, read = load_bundle(tmp_path)
    assert read.options["norm"] == norm
    with torch.no_grad():
        assert torch.equal(loaded(images()).logits, model(images()).logits)


def test_a_bundle_from_before_the_option_has_batch_norms(tmp_path: Path) -> None:
    card = ModelCard("ocrnet", OPTIONS, CLASSES)
    save_bundle(tmp_path, card, segmenter("batch").state_dict())
    assert "norm" not in json.loads((tmp_path / MODEL_FILE).read_text())["options"]
    loaded, _ = load_bundle(tmp_path)
    assert isinstance(loaded.get_submodule("head.reduce.1"), nn.BatchNorm2d)
