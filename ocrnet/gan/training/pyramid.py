"""Frozen features for a projected discriminator (arXiv:2111.01007, section 3.2): pretrained levels, mixed at random.

A discriminator that reads features of a pretrained network need not learn from few images what textures and shapes
are. It would look at the few features that tell real from fake best; random mixing makes that hard:

    mixing across channels    v_l = A_l f_l,                                   A_l a random 1x1 convolution
    mixing across scales      u_l = (v_l + B_l resize(u_{l+1})) / sqrt(2),     B_l a random 3x3 convolution

with f_l the levels of the network, the finest first, of which each pixel has the mean square 1. Neither f, A nor B is
trained, and gradients pass through them to the image alone.

Differs from the paper: f_0 is the image itself, since a discriminator that predicts the class of every pixel must see
pixels; the scales are summed before a discriminator reads them, not read by one discriminator each; and the pixels of
the levels are normalised, as in LPIPS (arXiv:1801.03924), or the network's finest level, whose values are ten times
those of the image, would drown it.
"""

from typing import Any, TypeVar

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.errors import ParamsError
from ocrnet.weights.shipped import SHIPPED, is_shipped, read_shipped

EPSILON = 1e-2  # the mean square of a level's pixels is about 1 to 100
Net = TypeVar("Net", bound=nn.Module)
ENCODER = "tf_efficientnet_lite0"  # its input is an image in [-1, 1], as the GAN's are


def keep_from_training(net: Net) -> Net:
    """Turn all weights of a network into buffers that no optimizer and no state dict contains.

    `requires_grad_` of a network around it, which each step of the GAN calls, does not reach them either.
    """
    net.eval()
    for module in net.modules():
        values = {
            **dict(module.named_parameters(recurse=False)),
            **dict(module.named_buffers(recurse=False)),
        }
        for name, value in values.items():
            delattr(module, name)
            module.register_buffer(name, value.detach(), persistent=False)
    return net


class FrozenPyramid(nn.Module):
    """Levels of an image, of stride 1, 2, 4, 8, 16 and 32, that no training changes.

    Args:
        widths: Channels of each returned level, the finest first; the last one stands for all coarser levels.

    Raises:
        ParamsError: The encoder's weights are not installed.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        if not is_shipped(ENCODER):
            raise ParamsError(
                f"params.yaml: train_gan.discriminator: projected reads features by {SHIPPED[ENCODER].package}, which "
                "is not installed. Run `make setup`, or set plain."
            )
        encoder: Any = timm.create_model(ENCODER, pretrained=False, features_only=True)
        encoder.load_state_dict(read_shipped(ENCODER), strict=False)  # its classifier is left out
        found = (3, *encoder.feature_info.channels())
        self.multiple = max(encoder.feature_info.reduction())
        self.widths = tuple(widths[min(level, len(widths) - 1)] for level in range(len(found)))
        self._encoder = keep_from_training(encoder)
        self._channels = keep_from_training(
            nn.ModuleList(
                _random(c_in, c_out, 1) for c_in, c_out in zip(found, self.widths, strict=True)
            )
        )
        self._scales = keep_from_training(
            nn.ModuleList(
                _random(c_in, c_out, 3)
                for c_in, c_out in zip(self.widths[1:], self.widths[:-1], strict=True)
            )
        )

    def train(self, mode: bool = True) -> "FrozenPyramid":
        """Stay in evaluation: in training, batch norms would mix real and fake images."""
        super().train(mode=False)
        return self

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Return the mixed levels, the finest first, of images whose sides are padded to `multiple`.

        Args:
            images: Images in [-1, 1].
        """
        H, W = images.shape[2:]
        bottom, right = -H % self.multiple, -W % self.multiple
        if bottom or right:
            images = F.pad(images, (0, right, 0, bottom), mode="replicate")
        found = [images, *map(_normalised, self._encoder(images))]
        levels = [mix(level) for mix, level in zip(self._channels, found, strict=True)]
        for at in range(len(levels) - 2, -1, -1):
            coarser = F.interpolate(levels[at + 1], scale_factor=2.0, mode="nearest")
            levels[at] = (levels[at] + self._scales[at](coarser)) / 2**0.5
        return levels


def _normalised(feats: Tensor) -> Tensor:
    """Return features of which each pixel has the mean square 1, or less where it is close to 0."""
    scaled: Tensor = feats * torch.rsqrt(feats.square().mean(dim=1, keepdim=True) + EPSILON)
    return scaled


def _random(c_in: int, c_out: int, kernel: int) -> nn.Conv2d:
    """Return a convolution that on average keeps the mean square of its input."""
    conv = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False)
    nn.init.normal_(conv.weight, std=(c_in * kernel**2) ** -0.5)
    return conv
