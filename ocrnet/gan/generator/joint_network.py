"""The joint generator: draws an image and its label map together, from noise z and a condition c.

| symbol | here | shape |
|---|---|---|
| z | z | B Z |
| c, the classes that the image shows | conditions | B K |
| w, the style of all levels | styles | B S |
| h | feats | B C h w |

A linear layer of (z, c) gives the coarsest features. Each level scales and shifts its features by w, after it has
scaled every pixel to the mean square 1 (arXiv:1710.10196, section 4.2): there is no batch norm, so an image does not
depend on the others of its batch. Two convolutions read the finest features: one gives the image, one the logits of the
classes.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ocrnet.gan.generator.layers import SLOPE
from ocrnet.gan.generator.presets import Preset

STYLE_CHANNELS = 64
EPSILON = 1e-6


class StyledBlock(nn.Module):
    """A residual block whose two convolutions read features that a style scales and shifts."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.style1 = nn.Linear(STYLE_CHANNELS, 2 * c_in)
        self.conv1 = _conv(c_in, c_out)
        self.style2 = nn.Linear(STYLE_CHANNELS, 2 * c_out)
        self.conv2 = _conv(c_out, c_out)
        self.skip = nn.Conv2d(c_in, c_out, 1, bias=False)

    def forward(
        self, feats: Float[Tensor, "B C H W"], styles: Float[Tensor, "B S"]
    ) -> Float[Tensor, "B D H W"]:
        """Return features of the same size with the block's output channels."""
        inner = self.conv1(_styled(feats, self.style1(styles)))
        total: Tensor = self.skip(feats) + self.conv2(_styled(inner, self.style2(styles)))
        return total


class JointGenerator(nn.Module):
    """Network from noise and condition to an image and the logits of its label map.

    Args:
        num_classes: Number of classes K, without the ignored id.
        preset: Sizes of the network.
        size: Height and width of what it draws, in pixels.
    """

    def __init__(self, num_classes: int, preset: Preset, size: tuple[int, int]) -> None:
        super().__init__()
        self.num_classes, self.preset, self.size = num_classes, preset, size
        channels, given = preset.generator, preset.z_dim + num_classes
        height, width = (-(-side // preset.multiple) for side in size)
        self.coarse = (channels[0], height, width)
        self.to_style = nn.Sequential(
            nn.Linear(given, STYLE_CHANNELS), nn.LeakyReLU(SLOPE), nn.Linear(STYLE_CHANNELS, STYLE_CHANNELS)
        )  # fmt: skip
        self.head = nn.Linear(given, channels[0] * height * width)
        self.blocks = nn.ModuleList(map(StyledBlock, (channels[0], *channels[:-1]), channels))
        self.to_image = _conv(channels[-1], 3)
        self.to_logits = _conv(channels[-1], num_classes)

    def forward(
        self, z: Float[Tensor, "B Z"], conditions: Float[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B K H W"]]:
        """Draw images in [-1, 1], and the logits of their label maps.

        Args:
            z: Noise.
            conditions: 1 for each class that the image shows, else 0.
        """
        given = torch.cat([z, conditions], dim=1)
        styles = self.to_style(given)
        feats: Tensor = self.head(given).view(-1, *self.coarse)
        for level, block in enumerate(self.blocks):
            if level > 0:
                feats = F.interpolate(feats, scale_factor=2.0, mode="nearest")
            feats = block(feats, styles)
        height, width = self.size
        feats = F.leaky_relu(_unit(feats), SLOPE)[:, :, :height, :width]
        return torch.tanh(self.to_image(feats)), self.to_logits(feats)


def hard_maps(logits: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K H W"]:
    """Return label maps as one channel per class, 1 for the most likely class and else 0.

    The gradient is that of the probabilities (straight-through, arXiv:1308.3432, section 4): a discriminator that saw
    probabilities would know a drawn map by values between 0 and 1.
    """
    soft = logits.softmax(dim=1)
    hard = F.one_hot(logits.argmax(dim=1), logits.shape[1]).movedim(-1, 1).to(soft.dtype)
    return hard + (soft - soft.detach())


def _conv(c_in: int, c_out: int) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 3, padding=1, padding_mode="replicate")


def _unit(feats: Tensor) -> Tensor:
    """Scale each pixel to the mean square 1."""
    scaled: Tensor = feats * (feats.square().mean(dim=1, keepdim=True) + EPSILON).rsqrt()
    return scaled


def _styled(feats: Tensor, style: Tensor) -> Tensor:
    gamma, beta = style[:, :, None, None].chunk(2, dim=1)
    return F.leaky_relu(_unit(feats) * (1 + gamma) + beta, SLOPE)
