"""Exact rewrites of the OCR head for prediction: its computation without gradients and with fixed norms.

1. A batch norm with fixed statistics is a scale and a shift, folded into the convolution before it.
2. rho and its norm are folded into the region values: rows of the relation w sum to 1, so that
   rho(sum_k w_ik delta(f_k)) = relu(sum_k w_ik (S delta(f_k) + b)): a small product, no convolution over pixels.
3. The auxiliary head's 1x1 convolution runs on each level before it is resized, a part of its channels at a time.
4. All that follows the region representations is per pixel, so it runs strip by strip: no map as wide as a
   concatenation, a query or a context is ever held for the whole image.

`benchmarks/ocr.py` compares them with the plain formulation.
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.models.output import resize_features

if TYPE_CHECKING:
    from ocrnet.models.ocr import OCRHead

STRIP_PIXELS = {"cpu": 2**12, "cuda": 2**16}  # a strip of the widest map fits the cache of a CPU
AUX_PARTS = 4


def may_fold(module: nn.Module, *norms: nn.Module) -> bool:
    """Return whether the module predicts with batch norms of fixed statistics and without gradients.

    A graph that is exported or compiled keeps the plain form: its sizes may be free.
    """
    return (
        not module.training
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and all(isinstance(norm, nn.modules.batchnorm._BatchNorm) for norm in norms)
    )


def fold(conv: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the convolution that equals a convolution with its batch norm."""
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    before = -norm.running_mean if conv.bias is None else conv.bias - norm.running_mean
    return conv.weight * scale.view(-1, 1, 1, 1), norm.bias + before * scale


def aux_logits_of_levels(
    head: nn.Sequential, levels: list[Tensor], *, negative_slope: float, align_corners: bool
) -> Tensor:
    """Return the auxiliary logits at the size of the first level."""
    weight, bias = fold(head[0], head[1])
    classify = head[3]
    assert isinstance(classify, nn.Conv2d)
    size = (levels[0].shape[-2], levels[0].shape[-1])
    widths = [level.shape[1] for level in levels]
    step = -(-weight.shape[0] // AUX_PARTS)
    logits = None
    for rows, shift, columns in zip(
        torch.split(weight, step),
        torch.split(bias, step),
        torch.split(classify.weight, step, dim=1),
        strict=True,
    ):
        parts = torch.split(rows, widths, dim=1)
        hidden = F.conv2d(levels[0], parts[0], shift)
        for level, part in zip(levels[1:], parts[1:], strict=True):
            hidden += resize_features(F.conv2d(level, part), size, align_corners=align_corners)
        _activate(hidden, negative_slope)
        term = F.conv2d(hidden, columns, classify.bias if logits is None else None)
        logits = term if logits is None else logits + term
    assert logits is not None
    return logits


def reduce_features(head: "OCRHead", feats: Float[Tensor, "B C h w"]) -> Float[Tensor, "B M h w"]:
    """Return the pixel representations."""
    weight, bias = fold(head.reduce[0], head.reduce[1])
    return _activate(F.conv2d(feats, weight, bias, padding=1), head.negative_slope)


def classify_pixels(
    head: "OCRHead", pixels: Float[Tensor, "B M h w"], region_repr: Float[Tensor, "B M K"]
) -> Float[Tensor, "B K h w"]:
    """Return the main logits from pixel and region representations."""
    regions = region_repr.unsqueeze(-1)
    key = head.to_key(regions).squeeze(-1)  # B D K
    context = F.conv2d(head.to_value(regions), *fold(head.to_context[0], head.to_context[1]))
    classifier = PixelClassifier(head, key=key, context=context.squeeze(-1))
    height, width = pixels.shape[-2:]
    rows = max(1, STRIP_PIXELS.get(pixels.device.type, 2**14) // width)
    if rows >= height:
        return classifier(pixels)
    return torch.cat([classifier(strip) for strip in torch.split(pixels, rows, dim=2)], dim=2)


class PixelClassifier:
    """The head's computation for each pixel, given an image's regions.

    Args:
        head: OCR head whose weights are folded, once.
        key: Key of each region, [B, D, K].
        context: Contribution of each region to a pixel's context before the activation, [B, M, K].
    """

    def __init__(self, head: "OCRHead", *, key: Tensor, context: Tensor) -> None:
        self._slope = head.negative_slope
        self._key = key * key.shape[1] ** -0.5
        self._context = context
        self._query = [fold(head.to_query[i], head.to_query[i + 1]) for i in (0, 3)]
        weight, self._bias = fold(head.fuse[0], head.fuse[1])
        self._of_context, self._of_pixels = weight.chunk(2, dim=1)
        self._classify = head.classify

    def __call__(self, pixels: Float[Tensor, "B M h w"]) -> Float[Tensor, "B K h w"]:
        """Return the logits of a strip of pixels."""
        query = pixels
        for weight, bias in self._query:
            query = _activate(F.conv2d(query, weight, bias), self._slope)
        relation = (query.flatten(2).transpose(1, 2) @ self._key).softmax(dim=2)  # B h*w K
        context = _activate(self._mix(relation, pixels), self._slope)
        fused = F.conv2d(pixels, self._of_pixels, self._bias)
        fused += F.conv2d(context, self._of_context)
        logits: Tensor = self._classify(_activate(fused, self._slope))
        return logits

    def _mix(self, relation: Tensor, pixels: Tensor) -> Tensor:
        """Return the context in the memory format of the pixels."""
        batch, channels, height, width = pixels.shape
        if pixels.is_contiguous(memory_format=torch.channels_last) or pixels.stride(1) == 1:
            mixed = relation @ self._context.transpose(1, 2)
            return mixed.view(batch, height, width, channels).permute(0, 3, 1, 2)
        mixed = self._context @ relation.transpose(1, 2)
        return mixed.view(batch, channels, height, width)


def _activate(values: Tensor, negative_slope: float) -> Tensor:
    return F.leaky_relu_(values, negative_slope) if negative_slope else F.relu_(values)
