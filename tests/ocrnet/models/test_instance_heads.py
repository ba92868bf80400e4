"""Heads of centre heat map and offsets."""

import pytest
import torch

from ocrnet.bundles.bundle import build_model, load_bundle, save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.models.output import OFFSET_UNIT, full_size_instances
from tests.ocrnet.conftest import CLASSES

SMALL = {"backbone": "resnet18", "mid_channels": 16, "key_channels": 8}


def model_of(arch: str, **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model(ModelCard(arch, {**SMALL, **options}, CLASSES)).eval()


@pytest.mark.parametrize("arch", ["ocrnet", "ocr_cascade"])
def test_logits_are_those_of_the_model_without_heads(arch: str) -> None:
    """The heads are made last and read only features, so that nothing else changes."""
    plain, with_heads = model_of(arch), model_of(arch, instances="offsets")
    images = torch.randn(2, 3, 70, 90)
    with torch.inference_mode():
        one, other = plain(images), with_heads(images)
    assert torch.equal(one.logits, other.logits)
    assert one.instances is None
    assert other.instances is not None
    assert other.instances.shape[:2] == (2, 3)
    names = set(with_heads.state_dict()) - set(plain.state_dict())
    assert names
    assert all(name.startswith("instance_heads.") for name in names)


@pytest.mark.parametrize("arch", ["ocrnet", "ocr_cascade"])
def test_gradients_reach_both_branches_and_the_backbone(arch: str) -> None:
    model = model_of(arch, instances="offsets").train()
    model(torch.randn(2, 3, 64, 64)).instances.square().sum().backward()
    for name in ("centre", "offset", "reduce"):
        branch = getattr(model.instance_heads, name)
        for one in branch.parameters():
            assert one.grad is not None
            assert one.ndim == 1 or one.grad.abs().sum() > 0
    assert any(one.grad is not None for one in model.backbone.parameters())  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (40, 130)])
def test_maps_have_the_size_of_the_image_and_pixels_as_unit(size: tuple[int, int]) -> None:
    model = model_of("ocr_cascade", instances="offsets")
    with torch.inference_mode():
        maps = full_size_instances(model, torch.randn(1, 3, *size))  # type: ignore[arg-type]
    assert maps.shape == (1, 3, *size)
    with torch.inference_mode():
        for branch in (model.instance_heads.centre, model.instance_heads.offset):  # type: ignore[union-attr]
            branch[-1].weight.zero_()  # type: ignore[index,union-attr]
            branch[-1].bias.fill_(0.5)  # type: ignore[index,union-attr]
        maps = full_size_instances(model, torch.randn(1, 3, *size))  # type: ignore[arg-type]
    assert torch.allclose(maps[:, 0], torch.tensor(0.5))
    assert torch.allclose(maps[:, 1:], torch.tensor(0.5 * OFFSET_UNIT))


def test_a_bundle_keeps_the_heads(tmp_path) -> None:  # type: ignore[no-untyped-def]
    card = ModelCard("ocr_cascade", {**SMALL, "instances": "offsets"}, CLASSES, things=("square",))
    model = build_model(card).eval()
    save_bundle(tmp_path, card, model.state_dict())
    loaded, read = load_bundle(tmp_path)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded(images).instances, model(images).instances)
    assert (read.options["instances"], read.things) == ("offsets", ("square",))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"model\.instances: 'boxes' is unknown\. Known: none, offsets, attention"
    ):
        model_of("ocrnet", instances="boxes")
