"""The discriminator of the joint generator: one logit for an image with its label map and its condition.

It reads the image and the label map as channels of one input. The condition enters by projection (arXiv:1802.05637,
Eq. 3): the logit is `w . f + (V c) . f / sqrt(n)` for the n features f, the condition c and the trained w and V. One
more channel has the mean deviation among the images of the batch (arXiv:1710.10196, section 3), by which a generator
that always draws the same is found out. No weight is normalised: the gradient penalty of the training bounds it.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ocrnet.gan.generator.layers import SLOPE
from ocrnet.gan.generator.presets import Preset

COARSEST = 4  # levels follow until a side has at most so many pixels


class Level(nn.Module):
    """A residual block that reads features of half the size."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_in, 3, padding=1)
        self.conv2 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.skip = nn.Conv2d(c_in, c_out, 1)

    def forward(self, feats: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return features of half the size with the block's output channels."""
        inner = F.avg_pool2d(self.conv1(F.leaky_relu(feats, SLOPE)), 2)
        inner = self.conv2(F.leaky_relu(inner, SLOPE))
        total: Tensor = (self.skip(F.avg_pool2d(feats, 2)) + inner) / 2**0.5
        return total


class JointDiscriminator(nn.Module):
    """Network from images with label maps of one size to one logit each.

    Args:
        num_classes: Number of classes K, without the ignored id.
        preset: Sizes of the network.
        size: Height and width of the input, in pixels.
    """

    def __init__(self, num_classes: int, preset: Preset, size: tuple[int, int]) -> None:
        super().__init__()
        channels = [preset.discriminator[0]]
        height, width = size
        while min(height, width) > COARSEST:
            channels.append(preset.discriminator[min(len(channels), len(preset.discriminator) - 1)])
            height, width = height // 2, width // 2
        last = channels[-1]
        self.stem = nn.Conv2d(3 + num_classes, channels[0], 3, padding=1)
        self.down = nn.ModuleList(map(Level, channels[:-1], channels[1:]))
        self.mix = nn.Conv2d(last + 1, last, 3, padding=1)
        self.to_feats = nn.Linear(last * height * width, last)
        self.to_logit = nn.Linear(last, 1)
        self.project = nn.Linear(num_classes, last, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, a=SLOPE)

    def forward(
        self,
        images: Float[Tensor, "B 3 H W"],
        maps: Float[Tensor, "B K H W"],
        conditions: Float[Tensor, "B K"],
    ) -> Float[Tensor, " B"]:
        """Return logits, high for real images.

        Args:
            images: Images in [-1, 1].
            maps: Label maps as one channel per class; all zero where the label map is left out.
            conditions: 1 for each class that the image shows, else 0.
        """
        feats = self.stem(torch.cat([images, maps], dim=1))
        for block in self.down:
            feats = block(feats)
        spread = feats.var(dim=0, unbiased=False).add(1e-6).sqrt().mean().expand_as(feats[:, :1])
        feats = self.mix(F.leaky_relu(torch.cat([feats, spread], dim=1), SLOPE))
        vector = F.leaky_relu(self.to_feats(F.leaky_relu(feats, SLOPE).flatten(1)), SLOPE)
        projected = (self.project(conditions) * vector).sum(1) / vector.shape[1] ** 0.5
        logits: Tensor = self.to_logit(vector)[:, 0] + projected
        return logits
