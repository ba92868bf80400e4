"""Networks with the names, biases and norms of other programs, written from what is known of their files.

They share no code with `ocrnet.models`; their sizes are checked against published parameter counts.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Callable[[int], nn.Module]
M = TypeVar("M", bound=nn.Module)


class Bottleneck(nn.Module):
    """The block of ResNet-50, with its stride in the 3x3 convolution."""

    def __init__(self, inputs: int, width: int, stride: int, dilation: int, norm: Norm) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = norm(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn3(self.conv3(y)) + shortcut)


class ResNet50(nn.Module):
    """ResNet-50 at an output stride of 8; a subclass adds its stem."""

    def __init__(self, stem_channels: int, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.layer1 = self._layer(stem_channels, 64, 3, 1, (1, 1), norm)
        self.layer2 = self._layer(256, 128, 4, 2, (1, 1), norm)
        self.layer3 = self._layer(512, 256, 6, 1, (1, 2), norm)
        self.layer4 = self._layer(1024, 512, 3, 1, (2, 4), norm)

    @staticmethod
    def _layer(
        inputs: int, width: int, blocks: int, stride: int, dilations: tuple[int, int], norm: Norm
    ) -> nn.Sequential:
        first = Bottleneck(inputs, width, stride, dilations[0], norm)
        rest = (Bottleneck(4 * width, width, 1, dilations[1], norm) for _ in range(blocks - 1))
        return nn.Sequential(first, *rest)

    def enter(self, images: Tensor) -> Tensor:
        """Stem and pooling."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        coarse = self.layer3(self.layer2(self.layer1(self.enter(images))))
        return coarse, self.layer4(coarse)


def regions_of(pixels: Tensor, aux_logits: Tensor) -> Tensor:
    """Mean pixel of each class, weighted by a softmax over pixels: [B, M, K, 1]."""
    weights = aux_logits.flatten(2).softmax(dim=-1)
    return torch.einsum("bkn,bmn->bmk", weights, pixels.flatten(2)).unsqueeze(-1)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Values of regions, mixed by how well each pixel's query meets their keys."""
    scores = torch.einsum("bdn,bdk->bnk", query.flatten(2), key.flatten(2)) / query.shape[1] ** 0.5
    mixed = torch.einsum("bnk,bdk->bdn", scores.softmax(dim=-1), value.flatten(2))
    return mixed.reshape(*mixed.shape[:2], *query.shape[-2:])


def disturbed(module: M, *, seed: int = 0) -> M:
    """Give norms statistics and scales, and convolutions biases, that no fresh network has; switch to eval."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        noise = torch.rand(value.shape, generator=generator)
        if name.endswith("running_var"):
            value.copy_(0.5 + noise)
        elif name.endswith("weight") and value.ndim == 1:
            sign = torch.where(torch.rand(value.shape, generator=generator) < 0.2, -1.0, 1.0)
            value.copy_(sign * (0.5 + noise))
        elif name.endswith(("running_mean", "bias")):
            value.copy_(0.4 * noise - 0.2)
        elif value.ndim == 4 and "layer" not in name:
            # Strong enough that both softmaxes are far from uniform: else a query in place of a key would not show.
            value.copy_((2 * noise - 1) * 4 * value[0].numel() ** -0.5)
    return module.eval()
