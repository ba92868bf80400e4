"""The size of a network: its parameters, and the multiply-adds of one image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ocrnet.models import build_segmenter


@dataclass(frozen=True)
class NetworkSize:
    """The size of a network.

    Args:
        parameters: Number of trained values, with those of heads that only the training uses.
        multiply_adds: Multiply-adds of convolutions and matrix products in one forward pass of one image.
    """

    parameters: int
    multiply_adds: int


def size_of_network(
    arch: str, num_classes: int, options: Mapping[str, Any], size: tuple[int, int]
) -> NetworkSize:
    """Count without memory for weights, and without computing.

    Args:
        arch: Name in `ocrnet.models.ARCHS`.
        num_classes: Number of classes.
        options: Further arguments of `build_segmenter`.
        size: (height, width) of the image, in pixels.
    """
    with torch.device("meta"):
        model = build_segmenter(arch, num_classes=num_classes, **options).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.empty(1, 3, *size))
    parameters = sum(value.numel() for value in model.parameters())
    return NetworkSize(parameters, counter.get_total_flops() // 2)
