"""Check that the params fit the sizes of the images, before anything is trained."""

import logging
from collections.abc import Iterable

from ocrnet.config import Params
from ocrnet.errors import ParamsError

logger = logging.getLogger(__name__)
LEAST_FILL = 0.1  # of a crop by the image that fills it best; with less, nine tenths of the work go into padding
POOR_FILL = 0.5  # below it a warning
Size = tuple[int, int]


def check_crops(params: Params, sizes: Iterable[Size]) -> None:
    """Compare the crops of both trainings with the sizes of the images, and warn if most of a crop stays empty.

    Args:
        params: Parameters with `data.crop_size`, `train_gan.crop_size` and the largest scale of `train.scale_range`.
        sizes: (height, width) of the images as the trainings see them.

    Raises:
        ParamsError: No image fills a tenth of a crop, even at its largest scale; one line per crop.
    """
    known = sorted(set(sizes))
    if not known:
        return
    crops = {"data.crop_size": (params.data.crop_size, params.train.scale_range[1])}
    if params.train_gan.crop_size is not None:
        crops["train_gan.crop_size"] = (params.train_gan.crop_size, 1.0)
    lines = []
    for key, (crop, scale) in crops.items():
        best, fill = max(
            ((size, _fill(size, crop, scale)) for size in known), key=lambda found: found[1]
        )
        words = (
            f"{key}: found {list(crop)}, of which the image that fills it best, {list(best)}, covers {fill:.2%}"
            f"{'' if scale == 1 else f' at the scale {scale:g}'}"
        )
        if fill < LEAST_FILL:
            lines.append(
                f"params.yaml: {words}; the rest is padding. Take at most the size of the images, such as "
                f"{list(best)}."
            )
        elif fill < POOR_FILL:
            logger.warning("%s; the rest is padding, which costs time and teaches nothing", words)
    if lines:
        raise ParamsError("\n".join(lines))


def seen_sizes(params: Params, sizes: Iterable[Size]) -> list[Size]:
    """Return the sizes of images as the trainings see them: those of the raw ones, or that of `prepare.resize`."""
    return [params.prepare.resize] if params.prepare.resize is not None else sorted(set(sizes))


def _fill(size: Size, crop: Size, scale: float) -> float:
    height, width = (
        min(1.0, max(1, round(side * scale)) / wanted)
        for side, wanted in zip(size, crop, strict=True)
    )
    return height * width
