"""Networks with the names, biases and norms of other programs, written from what is known of their files.

They share no code with `ocrnet.models`; their sizes are checked against published parameter counts.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Callable[[int], nn.Module]
M = TypeVar("M", bound=nn.Module)


class InPlaceAbn(nn.Module):
    """InPlaceABN: a batch norm that scales by |weight| + eps, then an activation; it counts no batches."""

    def __init__(self, channels: int, slope: float = 0.01) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, -1, 1, 1)
        centred = x - self.get_buffer("running_mean").view(shape)
        scaled = centred / (self.get_buffer("running_var") + 1e-5).sqrt().view(shape)
        y = scaled * (self.weight.abs() + 1e-5).view(shape) + self.bias.view(shape)
        return torch.where(y < 0, self.slope * y, y)


def silent_abn(channels: int) -> InPlaceAbn:
    """InPlaceABN without an activation, as the backbones have it."""
    return InPlaceAbn(channels, slope=1.0)


def wrapped_norm(channels: int) -> nn.Sequential:
    """A batch norm and its ReLU, one level deeper than either."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())


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


class OpensegResNet50(ResNet50):
    """openseg's deep stem has names, 128 channels, and a pooling that rounds up."""

    def __init__(self, norm: Norm) -> None:
        super().__init__(128, norm)
        self.resinit = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(3, 64, 3, 2, 1, bias=False),
                bn1=norm(64),
                relu1=nn.ReLU(),
                conv2=nn.Conv2d(64, 64, 3, 1, 1, bias=False),
                bn2=norm(64),
                relu2=nn.ReLU(),
                conv3=nn.Conv2d(64, 128, 3, 1, 1, bias=False),
                bn3=norm(128),
                relu3=nn.ReLU(),
            )
        )

    def enter(self, images: Tensor) -> Tensor:
        return F.max_pool2d(self.resinit(images), 3, 2, 1, ceil_mode=True)


class MmsegResNet50(ResNet50):
    """mmsegmentation's ResNetV1c: a deep stem of 32, 32 and 64 channels in one sequence called stem."""

    def __init__(self) -> None:
        super().__init__(64)
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((3, 32, 2), (32, 32, 1), (32, 64, 1)):
            conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            layers += [conv, nn.BatchNorm2d(outputs), nn.ReLU()]
        self.stem = nn.Sequential(*layers)

    def enter(self, images: Tensor) -> Tensor:
        return F.max_pool2d(self.stem(images), 3, 2, 1)


def regions_of(pixels: Tensor, aux_logits: Tensor) -> Tensor:
    """Mean pixel of each class, weighted by a softmax over pixels: [B, M, K, 1]."""
    weights = aux_logits.flatten(2).softmax(dim=-1)
    return torch.einsum("bkn,bmn->bmk", weights, pixels.flatten(2)).unsqueeze(-1)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Values of regions, mixed by how well each pixel's query meets their keys."""
    scores = torch.einsum("bdn,bdk->bnk", query.flatten(2), key.flatten(2)) / query.shape[1] ** 0.5
    mixed = torch.einsum("bnk,bdk->bdn", scores.softmax(dim=-1), value.flatten(2))
    return mixed.reshape(*mixed.shape[:2], *query.shape[-2:])


class ReleasedAttention(nn.Module):
    """The object context block of the authors' programs."""

    def __init__(self, mid: int, key: int, norm: Norm, *, bias: bool) -> None:
        super().__init__()
        self.f_pixel = self._stack((mid, key, key), norm, bias)
        self.f_object = self._stack((mid, key, key), norm, bias)
        self.f_down = self._stack((mid, key), norm, bias)
        self.f_up = self._stack((key, mid), norm, bias)

    @staticmethod
    def _stack(widths: Sequence[int], norm: Norm, bias: bool) -> nn.Sequential:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 1, bias=bias), norm(after)]
        return nn.Sequential(*layers)

    def forward(self, pixels: Tensor, regions: Tensor) -> Tensor:
        mixed = attend(self.f_pixel(pixels), self.f_object(regions), self.f_down(regions))
        context: Tensor = self.f_up(mixed)
        return context


class ReleasedFusion(nn.Module):
    """The block and what joins its context with the pixels."""

    def __init__(self, mid: int, key: int, norm: Norm, *, bias: bool) -> None:
        super().__init__()
        self.object_context_block = ReleasedAttention(mid, key, norm, bias=bias)
        self.conv_bn_dropout = nn.Sequential(
            nn.Conv2d(2 * mid, mid, 1, bias=bias), norm(mid), nn.Dropout2d(0.05)
        )

    def forward(self, pixels: Tensor, regions: Tensor) -> Tensor:
        context = self.object_context_block(pixels, regions)
        fused: Tensor = self.conv_bn_dropout(torch.cat([context, pixels], dim=1))
        return fused


class OpensegResNetOcr(nn.Module):
    """openseg's SpatialOCRNet; with InPlaceABN as on master, or with batch norms as on pytorch-1.7."""

    def __init__(self, classes: int, mid: int = 512, key: int = 256, *, abn: bool = False) -> None:
        super().__init__()
        norm: Norm = InPlaceAbn if abn else wrapped_norm
        self.backbone = OpensegResNet50(silent_abn if abn else nn.BatchNorm2d)
        self.conv_3x3 = nn.Sequential(nn.Conv2d(2048, mid, 3, padding=1), norm(mid))
        self.spatial_ocr_head = ReleasedFusion(mid, key, norm, bias=True)
        self.head = nn.Conv2d(mid, classes, 1)
        self.dsn_head = nn.Sequential(
            nn.Conv2d(1024, 512, 3, padding=1),
            norm(512),
            nn.Dropout2d(0.05),
            nn.Conv2d(512, classes, 1),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        coarse, fine = self.backbone(images)
        aux = self.dsn_head(coarse)
        pixels = self.conv_3x3(fine)
        return aux, self.head(self.spatial_ocr_head(pixels, regions_of(pixels, aux)))


class OpensegHRNetHead(nn.Module):
    """The head of openseg's HRNet_W48_OCR, for the joined map of any HRNet."""

    def __init__(self, channels: int, classes: int, mid: int, key: int) -> None:
        super().__init__()
        self.conv3x3 = nn.Sequential(nn.Conv2d(channels, mid, 3, padding=1), wrapped_norm(mid))
        self.ocr_distri_head = ReleasedFusion(mid, key, wrapped_norm, bias=True)
        self.cls_head = nn.Conv2d(mid, classes, 1)
        self.aux_head = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            wrapped_norm(channels),
            nn.Conv2d(channels, classes, 1),
        )

    def forward(self, feats: Tensor) -> tuple[Tensor, Tensor]:
        aux = self.aux_head(feats)
        pixels = self.conv3x3(feats)
        return aux, self.cls_head(self.ocr_distri_head(pixels, regions_of(pixels, aux)))


class ConvModule(nn.Sequential):
    """mmcv's convolution without bias, norm and ReLU, called conv, bn and activate."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        super().__init__(OrderedDict(conv=conv, bn=nn.BatchNorm2d(outputs), activate=nn.ReLU()))


class MmsegAttention(nn.Module):
    """mmsegmentation's ObjectAttentionBlock."""

    def __init__(self, mid: int, key: int) -> None:
        super().__init__()
        self.key_project = nn.Sequential(ConvModule(mid, key, 1), ConvModule(key, key, 1))
        self.query_project = nn.Sequential(ConvModule(mid, key, 1), ConvModule(key, key, 1))
        self.value_project = ConvModule(mid, key, 1)
        self.out_project = ConvModule(key, mid, 1)
        self.bottleneck = ConvModule(2 * mid, mid, 1)

    def forward(self, pixels: Tensor, regions: Tensor) -> Tensor:
        query, key = self.query_project(pixels), self.key_project(regions)
        context = self.out_project(attend(query, key, self.value_project(regions)))
        fused: Tensor = self.bottleneck(torch.cat([context, pixels], dim=1))
        return fused


class MmsegFcnHead(nn.Module):
    """The first stage of the cascade."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.conv_seg = nn.Conv2d(width, classes, 1)
        self.convs = nn.Sequential(ConvModule(inputs, width, 3))

    def forward(self, feats: Tensor) -> Tensor:
        logits: Tensor = self.conv_seg(self.convs(feats))
        return logits


class MmsegOcrHead(nn.Module):
    """The second stage of the cascade."""

    def __init__(self, inputs: int, mid: int, key: int, classes: int) -> None:
        super().__init__()
        self.conv_seg = nn.Conv2d(mid, classes, 1)
        self.object_context_block = MmsegAttention(mid, key)
        self.bottleneck = ConvModule(inputs, mid, 3)

    def forward(self, feats: Tensor, aux_logits: Tensor) -> Tensor:
        pixels = self.bottleneck(feats)
        fused = self.object_context_block(pixels, regions_of(pixels, aux_logits))
        logits: Tensor = self.conv_seg(fused)
        return logits


class MmsegResNetOcr(nn.Module):
    """mmsegmentation's ocrnet_r50-d8."""

    def __init__(self, classes: int, mid: int = 512, key: int = 256) -> None:
        super().__init__()
        self.backbone = MmsegResNet50()
        self.decode_head = nn.ModuleList(
            [MmsegFcnHead(1024, 256, classes), MmsegOcrHead(2048, mid, key, classes)]
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        coarse, fine = self.backbone(images)
        aux = self.decode_head[0](coarse)
        return aux, self.decode_head[1](fine, aux)


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
