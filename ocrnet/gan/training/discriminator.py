"""The discriminator of OASIS: predicts for every pixel of an image its class or "fake".

A U-Net with N+1 outputs per pixel (arXiv:2012.04781, section 3.1), written from its description: channel 0 is "fake",
channel c+1 is class c. Its input is the image alone; the label map is its target. All convolutions have spectral norm
and there are no norm layers, so real and fake images may share a batch.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ocrnet.gan.generator.layers import SLOPE, normed_conv
from ocrnet.gan.generator.presets import Preset

FAKE = 0  # the channel of "fake"


class Residual(nn.Module):
    """A residual block of two 3x3 convolutions with a 1x1 convolution as skip connection."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1 = normed_conv(c_in, c_out, 3)
        self.conv2 = normed_conv(c_out, c_out, 3)
        self.skip = normed_conv(c_in, c_out, 1)

    def forward(self, feats: Tensor) -> Tensor:
        """Return features of the same size with the block's output channels."""
        inner = self.conv1(F.leaky_relu(feats, SLOPE))
        total: Tensor = self.skip(feats) + self.conv2(F.leaky_relu(inner, SLOPE))
        return total


class Discriminator(nn.Module):
    """Network from an image of any height and width to N+1 logits per pixel.

    Args:
        num_classes: Number of classes N, without the ignored id.
        preset: Sizes of the network.
    """

    def __init__(self, num_classes: int, preset: Preset) -> None:
        super().__init__()
        channels = preset.discriminator
        self.multiple = 2 ** (len(channels) - 1)
        self.stem = normed_conv(3, channels[0], 3)
        self.fine = normed_conv(channels[0], channels[0], 3)
        self.down = nn.ModuleList(map(Residual, channels[:-1], channels[1:]))
        self.project = nn.ModuleList(map(_pointwise, channels[:0:-1], channels[-2::-1]))
        self.up = nn.ModuleList(normed_conv(c, c, 3) for c in channels[-2::-1])
        self.to_logits = normed_conv(channels[0], num_classes + 1, 1)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B K1 H W"]:
        """Return logits; channel 0 is "fake", channel c+1 is class c.

        Args:
            images: Images in [-1, 1].
        """
        H, W = images.shape[2:]
        bottom, right = -H % self.multiple, -W % self.multiple
        if bottom or right:
            images = F.pad(images, (0, right, 0, bottom), mode="replicate")
        feats = self.stem(images)
        feats = feats + self.fine(F.leaky_relu(feats, SLOPE))
        skips = [feats]
        for block in self.down:
            skips.append(block(F.avg_pool2d(skips[-1], 2)))
        feats = skips.pop()
        for project, conv in zip(self.project, self.up, strict=True):
            feats = F.interpolate(project(feats), scale_factor=2.0, mode="nearest") + skips.pop()
            feats = feats + conv(F.leaky_relu(feats, SLOPE))
        logits: Tensor = self.to_logits(F.leaky_relu(feats, SLOPE))
        return logits[:, :, :H, :W].float()


def _pointwise(c_in: int, c_out: int) -> nn.Module:
    return normed_conv(c_in, c_out, 1)
