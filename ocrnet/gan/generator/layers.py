"""The convolutions of both networks: in the precision of autocast, with weights made in float32."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Padding = Literal["zeros", "replicate"]
SLOPE = 0.2  # of the leaky rectifiers


class Conv(nn.Conv2d):
    """A convolution that autocast may run in bfloat16, but not what makes its weight.

    The power iteration of spectral norm runs when the weight is read. In bfloat16 its vectors would be unit vectors to
    two digits, and the weight would be divided by a wrong norm.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolved features."""
        with torch.autocast(input.device.type, enabled=False):
            weight = self.weight
        output: Tensor = self._conv_forward(input, weight, self.bias)
        return output


def normed_conv(
    c_in: int, c_out: int, kernel: int, *, stride: int = 1, padding_mode: Padding = "zeros", bias: bool = True,
) -> nn.Module:  # fmt: skip
    """Return a spectrally normalised convolution; a stride divides the height and width it is given."""
    conv = Conv(
        c_in, c_out, kernel, stride, (kernel - 1) // 2, padding_mode=padding_mode, bias=bias
    )
    return spectral_norm(conv)
