"""The rewrites of the OCR head change nothing but rounding: against the plain formulation, in every variant."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.ocr import randomize_norms
from benchmarks.plain_ocr import PlainOCRNet
from ocrnet.models import build_segmenter, folded_heads
from ocrnet.models.folded_heads import fold_heads
from ocrnet.models.head_variants import HEAD_VARIANTS
from ocrnet.models.ocr import OCRNet


def build(
    backbone: str = "hrnet_w18_small",
    *,
    head_variant: str = "official",
    align_corners: bool = False,
) -> OCRNet:
    """Return a small network whose norms have statistics of their own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_segmenter(
            "ocrnet", backbone=backbone, num_classes=5, mid_channels=24, key_channels=8, dropout=0.0,
            align_corners=align_corners, head_variant=head_variant,
        )  # fmt: skip
        assert isinstance(model, OCRNet)
        for head in (model.aux_head, model.head):
            randomize_norms(head)
    return model


def pictures(*size: int) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))


def assert_close(got: Tensor | None, want: Tensor | None) -> None:
    """Within 1e-5 of the maximum, in float32."""
    assert got is not None
    assert want is not None
    assert (got - want).abs().max() <= 1e-5 * want.abs().max()


@pytest.mark.parametrize("head_variant", HEAD_VARIANTS)
@pytest.mark.parametrize("backbone", ["hrnet_w18_small", "resnet18"])
def test_folded_heads_give_what_the_trained_ones_give(backbone: str, head_variant: str) -> None:
    model = build(backbone, head_variant=head_variant).eval()
    with torch.inference_mode():
        plain = model(pictures(64, 96))
        fast = fold_heads(model)(pictures(64, 96))
    assert_close(fast.logits, plain.logits)
    assert_close(fast.aux_logits, plain.aux_logits)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(64, 64), (75, 109)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_prediction_is_that_of_the_plain_formulation(
    size: tuple[int, int],
    align_corners: bool,
    layout: torch.memory_format,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In strips of two rows, the last one shorter where the map's height is odd."""
    monkeypatch.setitem(folded_heads.STRIP_PIXELS, "cpu", 2 * -(-size[1] // 4))
    model = build(align_corners=align_corners).eval()
    with torch.inference_mode():
        want = PlainOCRNet(model).eval()(pictures(*size))
        model.to(memory_format=layout)
        got = fold_heads(model)(pictures(*size).contiguous(memory_format=layout))
    assert_close(got.logits, want.logits)
    assert_close(got.aux_logits, want.aux_logits)


def test_training_has_the_gradients_of_the_plain_formulation() -> None:
    """In float64, where rounding does not hide a wrong term."""
    gradients = []
    for plain in (True, False):
        model = build().double().train()
        network: nn.Module = PlainOCRNet(model).train() if plain else model
        logits, aux_logits, _ = network(pictures(64, 64).double())
        (logits.square().mean() + aux_logits.sigmoid().mean()).backward()
        gradients.append({name: weight.grad for name, weight in model.named_parameters()})
    for name, want in gradients[0].items():
        got = gradients[1][name]
        assert want is not None, name
        assert got is not None, name
        assert (got - want).abs().max() <= 1e-9 * max(1.0, float(want.abs().max())), name


def test_group_norms_are_not_folded() -> None:
    """Their statistics are those of the image, so that there is nothing fixed to fold."""
    model = build_segmenter(
        "ocrnet", backbone="hrnet_w18_small", num_classes=5, mid_channels=24, key_channels=8, norm="group"
    ).eval()  # fmt: skip
    assert fold_heads(model) is model


def test_folding_leaves_the_trained_model_as_it_is() -> None:
    """Validation folds the averaged weights in the middle of a training, which goes on with the plain heads."""
    model = build().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    head = model.head
    folded_model = fold_heads(model)
    assert model.head is head
    assert folded_model.head is not head
    assert folded_model.backbone is model.backbone
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_prediction_holds_no_map_as_wide_as_a_concatenation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The widest convolution over the whole image sees the joined levels; all after it sees strips."""
    model = fold_heads(build().eval())
    seen: list[tuple[int, ...]] = []
    convolve = nn.functional.conv2d

    def spy(values: Tensor, *rest: Any, **options: Any) -> Tensor:
        seen.append(tuple(values.shape))
        return convolve(values, *rest, **options)

    monkeypatch.setitem(folded_heads.STRIP_PIXELS, "cpu", 64)
    with torch.inference_mode():
        levels = model.backbone.levels(pictures(128, 128))
        monkeypatch.setattr(nn.functional, "conv2d", spy)
        model.head(levels.main, model.aux_head(levels.aux))
    heights = {shape[2] for shape in seen if shape[1] == 24 and shape[3] == 32}
    assert heights == {2}, "pixels, queries and contexts are 24 wide"
