"""The generator: synthesizes an image of a label map, in a style that the noise z selects.

Spatially-adaptive normalisation (arXiv:1903.07291, Eq. 1-3) with a noise input (arXiv:2012.04781), written from the
formulas.

| paper | here | shape |
|---|---|---|
| m | label_maps, one-hot inside | B H W |
| z | z | B Z, or B Z H W |
| h | feats | B C h w |
| gamma, beta | gamma, beta | B C h w |

Differences from the papers: one embedding per resolution is shared by all its norms. Label maps are averaged, not
subsampled, at coarse resolutions (a crack one pixel wide remains at an eighth). A part of z is drawn per pixel, so that
a large region need not repeat itself. Padding repeats the border and is not zero. Any height and width is allowed.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from ocrnet.gan.generator.holes import CHANNELS, unseen_channels
from ocrnet.gan.generator.layers import SLOPE, Conv, Padding, normed_conv
from ocrnet.gan.generator.presets import Preset

REPEAT: Padding = "replicate"  # zero padding would make a frame in the image


def one_hot(label_maps: Int[Tensor, "B H W"], *, num_classes: int) -> Float[Tensor, "B K H W"]:
    """Return label maps as one channel per class; an id that is no class, such as the ignored id, is zero in all."""
    ids = torch.arange(num_classes, device=label_maps.device).view(1, -1, 1, 1)
    return (label_maps.unsqueeze(1) == ids).float()


def _conv(c_in: int, c_out: int, kernel: int) -> Conv:
    return Conv(c_in, c_out, kernel, padding=kernel // 2, padding_mode=REPEAT)


class Modulation(nn.Module):
    """Normalise features, then scale and shift them by the embedding of each pixel."""

    def __init__(self, channels: int, embedding: int, *, kernel: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.modulate = _conv(embedding, 2 * channels, kernel)

    def forward(self, feats: Tensor, embedding: Tensor) -> Tensor:
        """Return the modulated features."""
        gamma, beta = self.modulate(embedding).chunk(2, dim=1)
        modulated: Tensor = self.norm(feats) * (1 + gamma) + beta
        return modulated


class Block(nn.Module):
    """A residual block whose norms are modulated by the embedding of its resolution."""

    def __init__(self, c_in: int, c_out: int, *, embedding: int, kernel: int) -> None:
        super().__init__()
        self.mod1 = Modulation(c_in, embedding, kernel=kernel)
        self.conv1 = normed_conv(c_in, c_out, 3, padding_mode=REPEAT)
        self.mod2 = Modulation(c_out, embedding, kernel=kernel)
        self.conv2 = normed_conv(c_out, c_out, 3, padding_mode=REPEAT)
        self.skip = normed_conv(c_in, c_out, 1, bias=False)

    def forward(self, feats: Tensor, embedding: Tensor) -> Tensor:
        """Return features of the same size with the block's output channels."""
        inner = self.conv1(F.leaky_relu(self.mod1(feats, embedding), SLOPE))
        inner = self.conv2(F.leaky_relu(self.mod2(inner, embedding), SLOPE))
        total: Tensor = self.skip(feats) + inner
        return total


class Generator(nn.Module):
    """Network from label map and noise to image.

    Args:
        num_classes: Number of classes K, without the ignored id.
        preset: Sizes of the network.
        fills_holes: Whether it sees an image with a hole that it paints.
    """

    def __init__(self, num_classes: int, preset: Preset, *, fills_holes: bool = False) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.preset = preset
        self.fills_holes = fills_holes
        channels = preset.generator
        condition = num_classes + preset.z_dim + CHANNELS * fills_holes
        self.head = _conv(condition, channels[0], 3)
        self.embeds = nn.ModuleList(_conv(condition, preset.embedding, 3) for _ in channels)
        self.blocks = nn.ModuleList(
            Block(c_in, c_out, embedding=preset.embedding, kernel=preset.kernel)
            for c_in, c_out in zip((channels[0], *channels[:-1]), channels, strict=True)
        )
        self.to_image = _conv(channels[-1], 3, 3)

    def forward(
        self,
        label_maps: Int[Tensor, "B H W"],
        z: Float[Tensor, "B Z"] | Float[Tensor, "B Z H W"],
        seen: Float[Tensor, "B 4 H W"] | None = None,
    ) -> Float[Tensor, "B 3 H W"]:
        """Synthesize images of label maps of any size.

        Args:
            label_maps: Class ids; any other id is ignored, and the generator chooses what to show there.
            z: Noise, one vector per image or one per pixel.
            seen: What the network sees of images with holes, if it fills holes (`seen_channels`); None for images that
                are painted whole.

        Returns:
            Images in [-1, 1], painted outside holes, too.
        """
        H, W = label_maps.shape[1:]
        if z.dim() == 2:
            z = z[:, :, None, None].expand(-1, -1, H, W)
        labels = one_hot(label_maps, num_classes=self.num_classes).to(z.dtype)
        if self.fills_holes:
            labels = torch.cat([labels, unseen_channels(labels) if seen is None else seen], dim=1)
        labels, z = self._pad(labels), self._pad(z)
        feats: Tensor = self.head(self._condition(labels, z, scale=self.preset.multiple))
        for level, (embed, block) in enumerate(zip(self.embeds, self.blocks, strict=True)):
            if level > 0:
                feats = F.interpolate(feats, scale_factor=2.0, mode="nearest")
            condition = self._condition(labels, z, scale=self.preset.multiple >> level)
            feats = block(feats, F.relu(embed(condition)))
        images: Tensor = torch.tanh(self.to_image(F.leaky_relu(feats, SLOPE)))
        return images[:, :, :H, :W].float()

    def _pad(self, values: Tensor) -> Tensor:
        """Repeat the last row and column until height and width are multiples of `preset.multiple`."""
        H, W = values.shape[2:]
        bottom, right = -H % self.preset.multiple, -W % self.preset.multiple
        return F.pad(values, (0, right, 0, bottom), mode="replicate") if bottom or right else values

    def _condition(self, labels: Tensor, z: Tensor, *, scale: int) -> Tensor:
        """Return label shares, mean styles and grain at `1 / scale`; grain is subsampled: its averages would fade."""
        if scale == 1:
            return torch.cat([labels, z], dim=1)
        style_dim = self.preset.z_dim - self.preset.grain_dim
        style, grain = z[:, :style_dim], z[:, style_dim:]
        means = F.avg_pool2d(torch.cat([labels, style], dim=1), scale)
        return torch.cat([means, grain[:, :, ::scale, ::scale]], dim=1)


def fold_spectral_norm(generator: Generator) -> Generator:
    """Replace each spectrally normalised weight by its value for inference; changes the generator in place."""
    generator.eval()
    for module in generator.modules():
        if is_parametrized(module, "weight"):
            remove_parametrizations(module, "weight", leave_parametrized=True)
    return generator
