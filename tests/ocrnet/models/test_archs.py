"""The contract of every architecture in the registry: it learns, takes any size, and can be saved and exported."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ocrnet.bundles.bundle import load_bundle, save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.models import ARCHS, NO_AUX_HEAD, NO_BACKBONE, build_segmenter
from ocrnet.models.output import SegmentationModel, SegmenterOutput, resize_logits
from tests.ocrnet.conftest import CLASSES

SMALL: dict[str, Any] = {"mid_channels": 16, "key_channels": 8, "prototypes": 5}
every_arch = pytest.mark.parametrize("arch", ARCHS)


def build(arch: str, *, backbone: str = "resnet18", seed: int = 0) -> SegmentationModel:
    torch.manual_seed(seed)
    return build_segmenter(arch, backbone=backbone, num_classes=3, **SMALL)


def toy_batch(count: int = 4) -> tuple[Tensor, Tensor]:
    """Return noise with a bright square of class 1 and a dark one of class 2."""
    images = torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(0)) / 4
    label_maps = torch.zeros(count, 64, 64, dtype=torch.int64)
    for index in range(count):
        low, high = slice(4 * index, 4 * index + 24), slice(36, 60)
        images[index, :, low, low] += 2.0
        label_maps[index, low, low] = 1
        images[index, 0, high, :24] -= 2.0
        label_maps[index, high, :24] = 2
    return images, label_maps


def total_loss(output: SegmenterOutput, label_maps: Tensor, *, aux_weight: float = 0.4) -> Tensor:
    size = (label_maps.shape[-2], label_maps.shape[-1])
    loss = F.cross_entropy(resize_logits(output.logits, size, align_corners=False), label_maps)
    if output.aux_logits is not None and aux_weight:
        aux = resize_logits(output.aux_logits, size, align_corners=False)
        loss = loss + aux_weight * F.cross_entropy(aux, label_maps)
    return loss


@every_arch
def test_a_few_steps_learn_a_batch(arch: str) -> None:
    """The loss ends below the best that is possible without a look at the image, the entropy of the classes."""
    model = build(arch)
    images, label_maps = toy_batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        output = model(images)
        loss = total_loss(output, label_maps)
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    shares = label_maps.flatten().bincount() / label_maps.numel()
    blind = float(-(shares * shares.log()).sum()) * (1.0 if output.aux_logits is None else 1.4)
    assert losses[0] > blind
    assert losses[-1] < 0.9 * blind, losses


@every_arch
@pytest.mark.parametrize("aux_weight", [0.0, 0.4])
def test_the_loss_reaches_every_parameter(arch: str, aux_weight: float) -> None:
    """The main loss alone reaches all but an auxiliary head on which the main head does not depend.

    Biases are only asked for a gradient, whatever its size: before a batch norm it is zero but for rounding.
    timm's residual branches start with a norm of weight 0, which would keep the first step's gradient from them.
    """
    model = build(arch)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
    images, label_maps = toy_batch()
    total_loss(model(images), label_maps, aux_weight=aux_weight).backward()  # type: ignore[no-untyped-call]
    beside = () if aux_weight or arch.startswith("ocr") else ("aux_head.",)
    for name, weight in model.named_parameters():
        if name.startswith(beside):
            continue
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert name.endswith("bias") or weight.grad.abs().sum() > 0, name


@every_arch
@pytest.mark.parametrize("size", [(75, 109), (60, 100)])
def test_any_image_size(arch: str, size: tuple[int, int]) -> None:
    model = build(arch, backbone="hrnet_w18_small").eval()
    with torch.inference_mode():
        output = model(torch.zeros(1, 3, *size))
    expected = size if arch == "unet" else tuple(math.ceil(math.ceil(x / 2) / 2) for x in size)
    assert output.logits.shape == (1, 3, *expected)
    assert (output.aux_logits is None) == (arch in NO_AUX_HEAD)
    if output.aux_logits is not None:
        coarse = tuple(math.ceil(x / 16) for x in size)
        assert output.aux_logits.shape == (1, 3, *(coarse if arch == "ocr_cascade" else expected))


@every_arch
def test_an_image_does_not_see_the_others_of_its_batch(arch: str) -> None:
    model = build(arch).eval()
    images = torch.randn(3, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        together = model(images).logits
        for index in range(3):
            alone = model(images[index : index + 1]).logits[0]
            torch.testing.assert_close(together[index], alone, rtol=1e-4, atol=1e-5)


@every_arch
def test_an_export_gives_the_same_logits_at_any_size(arch: str) -> None:
    """Sizes are free in multiples of 32; a size that was not traced is compared with the model itself."""
    model = build(arch).eval()
    height, width = (torch.export.Dim(name, min=2, max=16) for name in ("height", "width"))
    sizes = {"images": {2: 32 * height, 3: 32 * width}}
    traced, other = torch.randn(1, 3, 96, 128), torch.randn(1, 3, 64, 160)
    with torch.no_grad():
        fixed = torch.export.export(model, (traced,), strict=False).module()
        free = torch.export.export(model, (traced,), dynamic_shapes=sizes, strict=False).module()
        torch.testing.assert_close(fixed(traced).logits, model(traced).logits)
        for images in (traced, other):
            torch.testing.assert_close(free(images).logits, model(images).logits)


@every_arch
def test_a_bundle_gives_equal_logits(arch: str, tmp_path: Path) -> None:
    model = build(arch)
    images, _ = toy_batch()
    model(images)  # moves the running statistics off their defaults
    card = ModelCard(arch, {"backbone": "resnet18", **SMALL}, CLASSES)
    save_bundle(tmp_path, card, model.state_dict())
    loaded, read = load_bundle(tmp_path)
    assert read.arch == arch
    with torch.inference_mode():
        assert torch.equal(model.eval()(images).logits, loaded(images).logits)


@every_arch
def test_one_seed_gives_equal_weights(arch: str) -> None:
    first, second, other = (build(arch, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())


def test_only_the_head_differs_between_architectures() -> None:
    """With one backbone all architectures of a comparison have the same encoder, name by name."""
    encoders = []
    for arch in set(ARCHS) - NO_BACKBONE:
        weights = build(arch).state_dict()
        encoders.append(
            {name: value.shape for name, value in weights.items() if name.startswith("backbone.")}
        )
    assert encoders[0]
    assert all(encoder == encoders[0] for encoder in encoders)
