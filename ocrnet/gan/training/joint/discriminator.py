"""The discriminator of the joint generator: one logit for an image with its label map and its condition.

It reads the image and the label map as channels of one input. The condition enters by projection (arXiv:1802.05637,
Eq. 3): the logit is `w . f + (V c) . f` for the features f, the condition c and the trained w and V. One more channel
has the mean deviation among the images of the batch (arXiv:1710.10196, section 3), by which a generator that always
draws the same is found out.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ocrnet.gan.generator.layers import SLOPE, normed_conv
from ocrnet.gan.generator.presets import Preset
from ocrnet.gan.training.discriminator import Residual

COARSEST = 4  # levels follow until a side has at most so many pixels


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
        self.stem = normed_conv(3 + num_classes, channels[0], 3)
        self.down = nn.ModuleList(map(Residual, channels[:-1], channels[1:]))
        self.mix = normed_conv(last + 1, last, 3)
        self.to_feats = spectral_norm(nn.Linear(last * height * width, last))
        self.to_logit = spectral_norm(nn.Linear(last, 1))
        self.project = spectral_norm(nn.Linear(num_classes, last, bias=False))

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
            feats = block(F.avg_pool2d(feats, 2))
        spread = feats.var(dim=0, unbiased=False).add(1e-6).sqrt().mean().expand_as(feats[:, :1])
        feats = self.mix(F.leaky_relu(torch.cat([feats, spread], dim=1), SLOPE))
        vector = F.leaky_relu(self.to_feats(F.leaky_relu(feats, SLOPE).flatten(1)), SLOPE)
        logits: Tensor = self.to_logit(vector)[:, 0] + (self.project(conditions) * vector).sum(1)
        return logits
