"""Networks of openseg.pytorch, written from what is known of its files.

They share no code with `ocrnet.models`.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.ocrnet.weights.released import Norm, ResNet50, attend, regions_of


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
