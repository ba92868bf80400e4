"""Discriminators that read frozen features in place of the image, with the outputs of the plain ones.

All trained convolutions have spectral norm, as in the plain discriminators. That of OASIS follows the levels from
coarse to fine, as the second half of its U-Net does.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ocrnet.gan.generator.layers import SLOPE, normed_conv
from ocrnet.gan.generator.network import one_hot
from ocrnet.gan.generator.presets import Preset
from ocrnet.gan.training.discriminator import Residual
from ocrnet.gan.training.pyramid import FrozenPyramid


class ProjectedDiscriminator(nn.Module):
    """Network from an image of any height and width to N+1 logits per pixel, as `Discriminator`.

    Args:
        num_classes: Number of classes N, without the ignored id.
        preset: Sizes of the network.
    """

    def __init__(self, num_classes: int, preset: Preset) -> None:
        super().__init__()
        self.pyramid = FrozenPyramid(preset.discriminator)
        widths = self.pyramid.widths
        self.read = nn.ModuleList(map(Residual, widths, widths))
        self.project = nn.ModuleList(
            normed_conv(c_in, c_out, 1) for c_in, c_out in zip(widths[1:], widths[:-1], strict=True)
        )
        self.up = nn.ModuleList(normed_conv(c, c, 3) for c in widths[:-1])
        self.to_logits = normed_conv(widths[0], num_classes + 1, 1)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B K1 H W"]:
        """Return logits; channel 0 is "fake", channel c+1 is class c.

        Args:
            images: Images in [-1, 1].
        """
        H, W = images.shape[2:]
        levels = [read(level) for read, level in zip(self.read, self.pyramid(images), strict=True)]
        feats = levels.pop()
        for at in range(len(levels) - 1, -1, -1):
            coarser = F.interpolate(self.project[at](feats), scale_factor=2.0, mode="nearest")
            feats = levels[at] + coarser
            feats = feats + self.up[at](F.leaky_relu(feats, SLOPE))
        logits: Tensor = self.to_logits(F.leaky_relu(feats, SLOPE))
        return logits[:, :, :H, :W].float()


class ProjectedPatchDiscriminator(nn.Module):
    """Network from label map and image to one logit per cell, as `PatchDiscriminator`.

    It reads the level whose pixels are the cells, which the coarser ones are mixed into, beside the label map.

    Args:
        num_classes: Number of classes K, without the ignored id.
        preset: Sizes of the network.
        cell: Height and width of a cell in pixels, a power of two.
    """

    def __init__(self, num_classes: int, preset: Preset, *, cell: int) -> None:
        super().__init__()
        self.num_classes, self.cell = num_classes, cell
        self.pyramid = FrozenPyramid(preset.discriminator)
        width = self.pyramid.widths[self.level]
        self.join = normed_conv(width + num_classes, width, 3)
        self.read = Residual(width, width)
        self.to_logits = normed_conv(width, 1, 3)

    @property
    def level(self) -> int:
        """Number of the level that is read."""
        return self.cell.bit_length() - 1

    def forward(
        self, images: Float[Tensor, "B 3 H W"], label_maps: Int[Tensor, "B H W"]
    ) -> Float[Tensor, "B h w"]:
        """Return one logit per cell, including cells that are partly outside the image.

        Args:
            images: Images in [-1, 1].
            label_maps: Class ids; any other id is ignored, and the image is blank there.
        """
        H, W = images.shape[2:]
        rows, columns = -(-H // self.cell), -(-W // self.cell)
        labels = one_hot(label_maps, num_classes=self.num_classes)
        levels = self.pyramid(images * labels.sum(dim=1, keepdim=True))
        feats = levels[self.level][:, :, :rows, :columns]
        padded = F.pad(labels, (0, columns * self.cell - W, 0, rows * self.cell - H))
        shares = F.avg_pool2d(padded, self.cell)
        feats = self.read(
            F.leaky_relu(self.join(torch.cat([feats, shares.to(feats)], dim=1)), SLOPE)
        )
        logits: Tensor = self.to_logits(F.leaky_relu(feats, SLOPE))
        return logits.squeeze(1).float()
