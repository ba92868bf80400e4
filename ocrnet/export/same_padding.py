"""Padding that depends on the size of the image, written for symbols.

Networks of TensorFlow, such as tf_efficientnet_lite0, pad a map of x pixels by max((ceil(x / s) - 1) s + r - x, 0) for
a kernel that reaches over r pixels with a stride of s. timm computes that with Python's `max`, which decides by the
size of the traced image: a graph would pad an image of an even size like one of an odd size, or cannot be traced.

Where r >= s the difference is never negative. Without the `max` the padded size is (ceil(x / s) - 1) s + r, in which x
cancels, and so the size of the next map is ceil(x / s). With it, the terms of each layer contain those of all layers
before, and a trace of five strides takes many minutes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from timm.layers import padding


@contextmanager
def symbolic_padding() -> Iterator[None]:
    """Let timm's layers compute their padding with symbols inside the block; numbers stay what they are."""
    before = padding.get_same_padding
    padding.get_same_padding = same_padding
    try:
        yield
    finally:
        padding.get_same_padding = before


def same_padding(side: Any, kernel_size: int, stride: int, dilation: int) -> Any:
    """Return the pixels by which both ends of a side are padded together.

    No number below zero is divided: ONNX rounds such a quotient up, Python down.

    Args:
        side: Pixels of the side, a number or a symbol.
        kernel_size: Pixels of the kernel.
        stride: Distance of the outputs, in pixels.
        dilation: Distance of the kernel's taps, in pixels.

    Examples:
        >>> same_padding(8, 3, 2, 1), same_padding(9, 3, 2, 1), same_padding(9, 1, 2, 1)
        (1, 2, 0)
    """
    reach = (kernel_size - 1) * dilation + 1
    missing = ((side + stride - 1) // stride - 1) * stride + reach - side
    return missing if reach >= stride else torch.sym_max(missing, 0)
