"""The network of mmsegmentation, written from what is known of its files.

They share no code with `ocrnet.models`.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.ocrnet.weights.released import ResNet50, attend, regions_of


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
