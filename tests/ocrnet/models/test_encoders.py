"""Each family of timm encoders: odd sizes, the promised stride, a gradient in each weight, a bundle."""

import math
from pathlib import Path

import pytest
import torch

from ocrnet.bundles.bundle import load_bundle, save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.errors import ParamsError
from ocrnet.models import build_segmenter, timm_levels
from ocrnet.models.backbones import PyramidBackbone
from ocrnet.models.output import full_size_logits
from ocrnet.models.strides import choose_stride
from tests.ocrnet.conftest import CLASSES

# One of each family, the smallest: plain transformers, hierarchical ones, convolutional ones.
FAMILIES = (
    "vit_small_patch14_dinov2", "vit_small_patch16_dinov3", "eva02_tiny_patch14_224", "deit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256", "sam2_hiera_tiny", "pvt_v2_b0",
    "convnext_atto", "convnextv2_atto", "mobilenetv4_conv_small", "fastvit_t8", "tf_efficientnet_lite0",
    "repvit_m0_9", "densenet121", "vgg11_bn", "resnet18",
)  # fmt: skip
OPTIONS = {"mid_channels": 16, "key_channels": 8, "stride": "pyramid"}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_an_encoder_gives_logits_and_gradients_at_odd_sizes_and_survives_its_bundle(
    name: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    options = {"backbone": name, **OPTIONS}
    model = build_segmenter("ocrnet", num_classes=3, **options)  # type: ignore[arg-type]
    backbone = model.get_submodule("backbone")
    assert isinstance(backbone, PyramidBackbone)
    for size in ((101, 131), (96, 150)):
        images = torch.randn(2, 3, *size)
        logits = model(images).logits
        finest = backbone.strides[0]
        assert logits.shape == (2, 3, *(math.ceil(side / finest) for side in size))
    logits.square().sum().backward()
    without = [n for n, weight in model.named_parameters() if weight.grad is None]
    assert not without
    card = ModelCard("ocrnet", options, CLASSES)
    save_bundle(tmp_path / "bundle", card, model.state_dict())
    again, _ = load_bundle(tmp_path / "bundle")
    with torch.inference_mode():
        assert torch.equal(again.eval()(images).logits, model.eval()(images).logits)


@pytest.mark.parametrize("name", ["convnext_atto", "vit_small_patch16_dinov3"])
def test_what_is_padded_does_not_reach_the_logits_of_the_image(name: str) -> None:
    """Full-size logits have the image's size, and the network saw zeros, the mean colour, beyond it."""
    model = build_segmenter("ocrnet", num_classes=3, backbone=name, **OPTIONS).eval()  # type: ignore[arg-type]
    image = torch.randn(1, 3, 101, 131)
    whole = timm_levels.pad_to_multiple(image, model.multiple)
    assert model.multiple in (16, 32)
    with torch.inference_mode():
        logits = full_size_logits(model, image)
        padded = full_size_logits(model, whole)
    assert logits.shape == (1, 3, 101, 131)
    torch.testing.assert_close(logits, padded[..., :101, :131])


def test_levels_that_timm_numbers_from_one_are_those_of_their_strides() -> None:
    backbone = PyramidBackbone("dla34", align_corners=False).eval()
    with torch.inference_mode():
        levels = backbone.levels(torch.zeros(1, 3, 96, 128)).main
    assert [tuple(level.shape[1:]) for level in levels] == [
        (64, 24, 32), (128, 12, 16), (256, 6, 8), (512, 3, 4)
    ]  # fmt: skip


def test_a_network_of_the_released_weights_has_no_pyramid() -> None:
    with pytest.raises(ParamsError, match=r"deepbase_resnet50 has one form.* Set resnet50"):
        build_segmenter("ocr_cascade", num_classes=3, backbone="deepbase_resnet50")


def test_a_network_without_padding_is_accepted_where_it_runs() -> None:
    model = build_segmenter("ocrnet", num_classes=3, backbone="inception_v3", **OPTIONS).eval()  # type: ignore[arg-type]
    with torch.inference_mode():
        assert full_size_logits(model, torch.randn(1, 3, 101, 131)).shape == (1, 3, 101, 131)


def test_a_trial_on_the_cpu_leaves_the_random_numbers_alone() -> None:
    """The first network of a process must have the weights of the second one with the same seed."""
    before = torch.get_rng_state()
    assert timm_levels._fit("resnet18", {}, "cpu") is not None
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "name", ["tf_efficientnet_lite0", "convnext_atto", "swin_tiny_patch4_window7_224"]
)
def test_a_small_network_is_found_to_accept_what_it_accepts_without_memory(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = timm_levels.fit.__wrapped__(name)
    monkeypatch.setattr(timm_levels, "SMALL", 0)
    assert timm_levels.fit.__wrapped__(name) == found


def test_a_network_of_one_size_is_refused_with_another_to_take() -> None:
    with pytest.raises(ParamsError, match=r"'mixer_s16_224' accepts no image size.*Take another"):
        timm_levels.fit("mixer_s16_224")


@pytest.mark.parametrize(
    ("stride", "names"),
    [
        ("8", "resnet50c deepbase_resnet101 resnext50_32x4d seresnet50 wide_resnet50_2 resnest50d"),
        ("pyramid", "tf_efficientnet_lite0 convnext_tiny hrnet_w18 skresnet18 densenet121"),
    ],
)
def test_residual_networks_keep_the_form_of_the_released_weights(stride: str, names: str) -> None:
    assert {choose_stride(name) for name in names.split()} == {stride}
