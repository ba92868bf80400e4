"""CutMix (arXiv:1905.04899): a box of an image takes its pixels, labels and weights from another one.

Differences from the paper: labels are cut like pixels and not mixed by area, as in segmentation every pixel has its
own; the box always lies wholly inside.
"""

from torch import Generator

from ocrnet.runtime import uniform


def draw_box(size: tuple[int, int], *, generator: Generator) -> tuple[slice, slice]:
    """Draw the rows and columns of a box: its share of the area is even in [0, 1], and so is its place.

    Args:
        size: (height, width) of the image in pixels.
        generator: Source of three numbers.
    """
    root = uniform(generator) ** 0.5
    sides = [round(side * root) for side in size]
    rows, columns = (
        slice(start, start + side)
        for side, start in (
            (side, int(uniform(generator) * (whole - side + 1)))
            for side, whole in zip(sides, size, strict=True)
        )
    )
    return rows, columns
