"""A window of an image and its label map, cut along a grid that is rotated and bent.

Each pixel of the window is read from the whole image at once: it is interpolated once, and the corners of a rotated
window show what lies beside the straight window. Only what lies beside the image is ignored.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int32, UInt8
from torch import Generator, Tensor

ELASTIC_POINTS = 3  # points of the coarse grid per side


def window_positions(
    corner: tuple[int, int],
    size: tuple[int, int],
    *,
    degrees: float = 0.0,
    shifts: Float[Tensor, "h w 2"] | None = None,
) -> Float[Tensor, "h w 2"]:
    """Return where each pixel of a window lies in the image, as (row, column) in pixels.

    Args:
        corner: (top, left) of the straight window.
        size: (height, width) of the window.
        degrees: Angle of the content, counter-clockwise, around the centre of the window.
        shifts: Shift of each pixel (rows, columns) in pixels before the rotation; None shifts nothing.
    """
    middle = [(side - 1) / 2 for side in size]
    rows, columns = (torch.arange(side) - at for side, at in zip(size, middle, strict=True))
    offsets = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1)
    if shifts is not None:
        offsets = offsets + shifts
    down, right = offsets.unbind(dim=-1)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned = torch.stack([cosine * down + sine * right, cosine * right - sine * down], dim=-1)
    return turned + torch.tensor([corner[0] + middle[0], corner[1] + middle[1]])


def elastic_shifts(
    size: tuple[int, int], *, deviation: float, generator: Generator
) -> Float[Tensor, "h w 2"]:
    """Draw a smooth field of shifts in pixels, as in the U-Net (arXiv:1505.04597, section 3.1).

    Args:
        size: (height, width) of the field.
        deviation: Standard deviation in pixels of the shifts on a grid of 3 x 3 points, which bicubic interpolation
            extends to all pixels.
        generator: Source of the shifts.
    """
    coarse = deviation * torch.randn(1, 2, ELASTIC_POINTS, ELASTIC_POINTS, generator=generator)
    fine = F.interpolate(coarse, size=size, mode="bicubic", align_corners=True)
    return fine[0].permute(1, 2, 0)


def cut_along(
    pixels: UInt8[Tensor, "3 H W"],
    labels: UInt8[Tensor, "1 H W"] | Int32[Tensor, "1 H W"],
    positions: Float[Tensor, "h w 2"],
    *,
    ignore_index: int,
) -> tuple[UInt8[Tensor, "3 h w"], UInt8[Tensor, "1 h w"] | Int32[Tensor, "1 h w"]]:
    """Return the pixels and labels at positions of an image.

    Pixels are interpolated bilinearly; a label is that of the nearest pixel, so that no label is new. Beside the image,
    pixels are 0 and labels ignored.

    Args:
        pixels: Image to cut.
        labels: Label map of the image, or labels with numbers of objects, below 2^24.
        positions: (row, column) of each pixel of the window, in pixels.
        ignore_index: Label of what lies beside the image.
    """
    height, width = labels.shape[-2:]
    # grid_sample measures (column, row) from -1 to 1 between the outer edges of the border pixels.
    grid = (2 * positions.flip(-1) + 1) / torch.tensor([width, height]) - 1
    image = F.grid_sample(pixels[None].float(), grid[None], mode="bilinear", align_corners=False)
    # Outside, grid_sample gives 0: the label whose difference from ignore_index is 0.
    difference = labels[None].float() - ignore_index
    nearest = F.grid_sample(difference, grid[None], mode="nearest", align_corners=False)
    return image[0].round().to(torch.uint8), (nearest[0] + ignore_index).to(labels.dtype)
