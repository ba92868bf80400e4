"""The convolutions of both networks: run in the precision of autocast, with weights computed in float32."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Padding = Literal["zeros", "replicate"]
SLOPE = 0.2  # negative slope of the leaky ReLUs


class Conv(nn.Conv2d):
    """A convolution that autocast may run in 16 bits, with a weight that is computed in float32.

    The power iteration of spectral norm runs when the weight is read. In bfloat16 its vectors would have only two
    correct digits, and the weight would be divided by a wrong norm.
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
    """Return a spectrally normalised convolution; a stride divides the height and width of its input."""
    conv = Conv(
        c_in, c_out, kernel, stride, (kernel - 1) // 2, padding_mode=padding_mode, bias=bias
    )
    return spectral_norm(conv)
