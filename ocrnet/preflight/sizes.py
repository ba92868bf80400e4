"""The check that the params fit the sizes of the images, before any training."""

import logging
from collections.abc import Iterable

from ocrnet.config import Params
from ocrnet.errors import ParamsError

logger = logging.getLogger(__name__)
# Smallest share of a crop that the best image must fill; with less, nine tenths of the computation are for padding.
LEAST_FILL = 0.1
POOR_FILL = 0.5  # below this share there is a warning
Size = tuple[int, int]


def check_crops(params: Params, sizes: Iterable[Size]) -> None:
    """Compare the crops of both trainings with the sizes of the images, and warn if most of a crop is padding.

    Args:
        params: Params with `data.crop_size`, `train_gan.crop_size` and `train.scale_range`.
        sizes: (height, width) of the images as the trainings read them.

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
            f"{key}: found {list(crop)}, but the image that fills it best, {list(best)}, covers {fill:.2%}"
            f"{'' if scale == 1 else f' at the scale {scale:g}'}"
        )
        if fill < LEAST_FILL:
            lines.append(
                f"params.yaml: {words}; the rest is padding. Set at most the size of the images, such as "
                f"{list(best)}."
            )
        elif fill < POOR_FILL:
            logger.warning("%s; the rest is padding, which only costs time", words)
    if lines:
        raise ParamsError("\n".join(lines))


def seen_sizes(params: Params, sizes: Iterable[Size]) -> list[Size]:
    """Return the sizes of the images as the trainings read them: `prepare.resize`, or the raw sizes."""
    return [params.prepare.resize] if params.prepare.resize is not None else sorted(set(sizes))


def _fill(size: Size, crop: Size, scale: float) -> float:
    height, width = (
        min(1.0, max(1, round(side * scale)) / wanted)
        for side, wanted in zip(size, crop, strict=True)
    )
    return height * width
