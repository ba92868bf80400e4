"""Feature levels of any timm network, at any image size.

Networks differ in the sizes that they accept. Convolutional ones accept any size, but some drop the last rows of an
odd one (ConvNeXt). Transformers accept multiples of their patch or window, once they are told that the size varies, by
an option that has a different name in each family. `fit` finds the option and the multiple by running the network on
small images, a large network without memory (torch's meta device), so no table of families has to be kept. Images are
padded to the multiple at the right and at the bottom, and the levels are cropped to what the image covers.

A plain vision transformer gives maps of one stride; `PlainPyramid` makes four levels of its last map.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.errors import ParamsError

# The options by which families of timm accept varying sizes; `None` stands for the size of the trial. The getter is
# timm's second way to return levels, which gives channels first for networks that keep them last (Swin).
VARYING: tuple[dict[str, Any], ...] = (
    {}, {"dynamic_img_size": True}, {"strict_img_size": False}, {"img_size": None},
)  # fmt: skip
OPTIONS = (*VARYING, *({**options, "feature_cls": "getter"} for options in VARYING))
FACTORS = (1, 2, 4)  # of the coarsest stride: windows of a transformer may need a larger multiple
TRIAL_SIDE = 128  # least side of a trial image in pixels
SMALL = 40_000_000  # parameters of a network that fits into memory beside any other
REFUSALS = (RuntimeError, AssertionError, ValueError, TypeError, NotImplementedError, IndexError)


class _ChannelsLastError(Exception):
    """A network returns levels with the channels last."""


@dataclass(frozen=True)
class Fit:
    """How a network accepts images of any size.

    Args:
        channels: Channels of each level, the finest first.
        strides: Stride of each level in pixels.
        indices: Number of each level in timm, for `out_indices`; the first is not always 0.
        multiple: Multiple in pixels to which the sides of images are padded; 1 pads nothing.
        options: Arguments of `timm.create_model`.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    indices: tuple[int, ...]
    multiple: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether all levels have one stride, as those of a plain vision transformer."""
        return len(self.strides) > 1 and len(set(self.strides)) == 1


@cache
def fit(name: str) -> Fit:
    """Find out how a timm network accepts images of any size.

    Args:
        name: Name of the network in timm.

    Raises:
        ParamsError: The network returns no levels, or accepts no size other than its own.
    """
    reasons = []
    for options in OPTIONS:
        for device in ("meta", "cpu"):  # some networks cannot be built or run without memory
            try:
                found = _fit(name, options, device)
            except REFUSALS as error:
                reasons.append(" ".join(str(error).split())[:120])
                continue
            if found is not None:
                return found
            break
    raise ParamsError(
        f"model.backbone {name!r} accepts no image size other than its own ({reasons[0] if reasons else 'no reason'}). "
        "Take another network of timm, such as convnext_tiny or vit_small_patch16_dinov3."
    )


def pad_to_multiple(images: Float[Tensor, "B 3 H W"], multiple: int) -> Float[Tensor, "B 3 H2 W2"]:
    """Pad images with zeros, the mean colour, at the right and at the bottom."""
    bottom, right = (-side % multiple for side in images.shape[-2:])
    return F.pad(images, (0, right, 0, bottom)) if bottom or right else images


def fill_with_zeros(net: nn.Module) -> None:
    """Move a network from the meta device to the CPU with zeros as weights.

    Shapes do not depend on weights, and on small images the CPU needs a fifth of the time of the meta device, which
    runs Python for each operation.
    """
    net.to_empty(device="cpu")
    for tensor in (*net.parameters(), *net.buffers()):
        tensor.zero_()


def is_small(net: nn.Module) -> bool:
    """Tell whether the weights of a network fit into memory beside any other network."""
    return sum(weight.numel() for weight in net.parameters()) <= SMALL


class PlainPyramid(nn.Module):
    """Levels at a quarter of the patch, half of it, the patch and twice the patch, of one map (arXiv:2203.16527).

    Differs from the paper: the finer levels have half and a quarter of the channels, which keeps them cheap.

    Args:
        channels: Channels of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half, quarter = max(1, channels // 2), max(1, channels // 4)
        self.fine = _raise(channels, half)
        self.finest = nn.Sequential(_raise(channels, half), nn.GELU(), _raise(half, quarter))
        self.channels = (quarter, half, channels, channels)

    def forward(self, feats: Float[Tensor, "B C h w"]) -> list[Tensor]:
        """Return four levels, the finest first."""
        return [
            self.finest(feats),
            self.fine(feats),
            feats,
            F.max_pool2d(feats, 2, ceil_mode=True),
        ]


def _raise(before: int, after: int) -> nn.Module:
    return nn.ConvTranspose2d(before, after, kernel_size=2, stride=2)


def _fit(name: str, options: Mapping[str, Any], device: str) -> Fit | None:
    """Try one option; None where the network returns levels with the channels last.

    A network whose convolutions are not padded (Inception) has levels of sizes that no stride gives. It is accepted at
    the first multiple at which it runs, since levels are resized before they are joined.
    """
    given = {key: (TRIAL_SIDE,) * 2 if value is None else value for key, value in options.items()}
    # A trial on the CPU must not move the random numbers that the real network gets.
    with torch.device(device), torch.inference_mode(), torch.random.fork_rng(devices=[]):
        net: Any = timm.create_model(name, pretrained=False, features_only=True, **given).eval()
        channels = tuple(net.feature_info.channels())
        strides = tuple(net.feature_info.reduction())
        indices = tuple(net.feature_info.out_indices)
        if device == "meta" and is_small(net):
            fill_with_zeros(net)
        refusal: BaseException | None = None
        unpadded: Fit | None = None
        for multiple in (1, *(factor * max(strides) for factor in FACTORS)):
            try:
                if all(_returns(net, size, channels, strides) for size in _trial_sizes(multiple)):
                    return Fit(channels, strides, indices, multiple, given)
                unpadded = unpadded or Fit(channels, strides, indices, multiple, given)
            except _ChannelsLastError:
                return None
            except REFUSALS as error:
                refusal = refusal or error
    if unpadded is None and refusal is not None:
        raise refusal
    return unpadded


def _trial_sizes(multiple: int) -> Iterator[tuple[int, int]]:
    """Return two sizes that differ from each other, odd ones where nothing would be padded."""
    if multiple == 1:
        yield from ((101, 131), (75, 109), (96, 128))
    else:
        count = math.ceil(TRIAL_SIDE / multiple)
        yield from (
            (count * multiple, (count + 1) * multiple),
            ((count + 2) * multiple, count * multiple),
        )


def _returns(
    net: nn.Module, size: tuple[int, int], channels: tuple[int, ...], strides: tuple[int, ...]
) -> bool:
    height, width = size
    device = next(net.parameters()).device
    levels = net(torch.zeros(1, 3, height, width, device=device))
    if all(
        level.shape[-1] == count != level.shape[1]
        for level, count in zip(levels, channels, strict=True)
    ):
        raise _ChannelsLastError
    return [tuple(level.shape[1:]) for level in levels] == [
        (count, math.ceil(height / stride), math.ceil(width / stride))
        for count, stride in zip(channels, strides, strict=True)
    ]
