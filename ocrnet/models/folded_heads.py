"""OCRNet for prediction: exact rewrites of its heads, built once from a trained network by `fold_heads`.

1. A batch norm with fixed statistics is a scale and a shift, folded into the convolution before it.
2. rho and its norm are folded into the region values: rows of the relation w sum to 1, so that
   rho(sum_k w_ik delta(f_k)) = relu(sum_k w_ik (S delta(f_k) + b)): a small product, no convolution over pixels.
3. The auxiliary head's 1x1 convolution runs on each level before the resizing, a part of its channels at a time.
4. All steps after the region representations are per pixel, so they run strip by strip: concatenation, query and
   context are never in memory for the whole image.

`benchmarks/ocr.py` compares them with the plain formulation.
"""

import copy
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.models.backbones import LevelConv2d, join_levels
from ocrnet.models.ocr import AuxHead, OCRHead, OCRNet, gather_regions
from ocrnet.models.output import resize_features

STRIP_PIXELS = {
    "cpu": 2**12,
    "cuda": 2**16,
}  # a strip of the widest map fits into the cache of a CPU
AUX_PARTS = 4
Model = TypeVar("Model", bound=nn.Module)


def fold_heads(model: Model) -> Model:
    """Return a model for prediction with folded heads and the backbone of the given model.

    A model that is no OCRNet, or whose norms have no fixed statistics, is returned unchanged.

    Args:
        model: Trained model in eval mode.
    """
    if not isinstance(model, OCRNet) or not _has_fixed_norms(model.aux_head, model.head):
        return model
    folded = copy.copy(model)
    folded._modules = dict(model._modules)  # so that the original keeps its heads
    if model.aux_head[0].kernel_size == (1, 1):
        folded._modules["aux_head"] = FoldedAuxHead(model.aux_head)
    folded._modules["head"] = FoldedOCRHead(model.head)
    return folded


def _has_fixed_norms(*heads: nn.Module) -> bool:
    """Return whether the second layer of each block of the heads is a batch norm: no other norm can be folded."""
    norms = [heads[0][1], heads[1].reduce[1], heads[1].fuse[1]]  # type: ignore[index]
    return all(isinstance(norm, nn.modules.batchnorm._BatchNorm) for norm in norms)


class FoldedConv(nn.Module):
    """A convolution and its batch norm, folded into one weight and bias."""

    weight: Tensor
    bias: Tensor

    @torch.no_grad()
    def __init__(self, conv: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        before = -norm.running_mean if conv.bias is None else conv.bias - norm.running_mean
        self.register_buffer("weight", conv.weight * scale.view(-1, 1, 1, 1))
        self.register_buffer("bias", norm.bias + before * scale)

    def forward(self, values: Tensor, *, padding: int = 0) -> Tensor:
        """Return the normed convolution of values."""
        return F.conv2d(values, self.weight, self.bias, padding=padding)


class FoldedAuxHead(nn.Module):
    """The auxiliary head with a 1x1 convolution, computed for a part of its channels at a time."""

    def __init__(self, head: AuxHead) -> None:
        super().__init__()
        conv, norm, _, classify = head
        assert isinstance(conv, LevelConv2d)
        assert isinstance(classify, nn.Conv2d)
        self._align_corners = conv.align_corners
        self._slope = head.negative_slope
        self.reduce = FoldedConv(conv, norm)
        self.classify: nn.Conv2d = classify

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Return the auxiliary logits at the size of the first level."""
        size = (levels[0].shape[-2], levels[0].shape[-1])
        widths = [level.shape[1] for level in levels]
        step = -(-self.reduce.weight.shape[0] // AUX_PARTS)
        logits = None
        for rows, shift, columns in zip(
            torch.split(self.reduce.weight, step),
            torch.split(self.reduce.bias, step),
            torch.split(self.classify.weight, step, dim=1),
            strict=True,
        ):
            parts = torch.split(rows, widths, dim=1)
            hidden = F.conv2d(levels[0], parts[0], shift)
            for level, part in zip(levels[1:], parts[1:], strict=True):
                coarse = F.conv2d(level, part)
                hidden += resize_features(coarse, size, align_corners=self._align_corners)
            _activate(hidden, self._slope)
            term = F.conv2d(hidden, columns, self.classify.bias if logits is None else None)
            logits = term if logits is None else logits + term
        assert logits is not None
        return logits


class FoldedOCRHead(nn.Module):
    """The OCR head: pixels and regions for the whole image, all later steps strip by strip."""

    def __init__(self, head: OCRHead) -> None:
        super().__init__()
        self._align_corners = bool(head.reduce[0].align_corners)
        self._slope = head.negative_slope
        self.reduce = FoldedConv(head.reduce[0], head.reduce[1])
        self.to_query = nn.ModuleList(
            FoldedConv(head.to_query[i], head.to_query[i + 1]) for i in (0, 3)
        )
        self.to_key, self.to_value = head.to_key, head.to_value
        self.to_context = FoldedConv(head.to_context[0], head.to_context[1])
        self.fuse = FoldedConv(head.fuse[0], head.fuse[1])
        self.classify = head.classify

    def forward(
        self, levels: list[Tensor], aux_logits: Float[Tensor, "B K h w"]
    ) -> Float[Tensor, "B K h w"]:
        """Return logits from the levels and the auxiliary head's logits, which have the size of the first level."""
        feats = join_levels(levels, align_corners=self._align_corners)
        pixels = _activate(self.reduce(feats, padding=1), self._slope)
        regions = gather_regions(pixels, aux_logits).unsqueeze(-1)
        key = self.to_key(regions).squeeze(-1)  # B D K
        context = self.to_context(self.to_value(regions)).squeeze(-1)  # B M K
        height, width = pixels.shape[-2:]
        rows = max(1, STRIP_PIXELS.get(pixels.device.type, 2**14) // width)
        if rows >= height:
            return self._classify(pixels, key, context)
        strips = torch.split(pixels, rows, dim=2)
        return torch.cat([self._classify(strip, key, context) for strip in strips], dim=2)

    def _classify(
        self,
        pixels: Float[Tensor, "B M h w"],
        key: Float[Tensor, "B D K"],
        context: Float[Tensor, "B M K"],
    ) -> Float[Tensor, "B K h w"]:
        """Return the logits of a strip of pixels, given the key and the context of each region."""
        query = pixels
        for project in self.to_query:
            query = _activate(project(query), self._slope)
        scaled = key * key.shape[1] ** -0.5
        relation = (query.flatten(2).transpose(1, 2) @ scaled).softmax(dim=2)  # B h*w K
        mixed = _activate(_mix(relation, context, pixels), self._slope)
        of_context, of_pixels = self.fuse.weight.chunk(2, dim=1)
        fused = F.conv2d(pixels, of_pixels, self.fuse.bias)
        fused += F.conv2d(mixed, of_context)
        logits: Tensor = self.classify(_activate(fused, self._slope))
        return logits


def _mix(relation: Tensor, context: Tensor, pixels: Tensor) -> Tensor:
    """Return the context of each pixel in the memory format of the pixels."""
    batch, channels, height, width = pixels.shape
    if pixels.is_contiguous(memory_format=torch.channels_last) or pixels.stride(1) == 1:
        mixed = relation @ context.transpose(1, 2)
        return mixed.view(batch, height, width, channels).permute(0, 3, 1, 2)
    return (context @ relation.transpose(1, 2)).view(batch, channels, height, width)


def _activate(values: Tensor, negative_slope: float) -> Tensor:
    return F.leaky_relu_(values, negative_slope) if negative_slope else F.relu_(values)
