"""Images of the page as data URIs: JPEG for images, palette PNG for label maps."""

import base64
import io

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from ocrnet.data.manifest import ClassTable
from ocrnet.raw.label_maps import resize_label_map

LONGEST_SIDE = 480  # pixels
JPEG_QUALITY = 85
ERROR_COLOURS = {
    "correct in both": (222, 227, 232),
    "correct only after retraining": (0, 114, 178),
    "wrong only after retraining": (213, 94, 0),
    "wrong in both": (77, 77, 77),
    "ignored": (255, 255, 255),
}
REJECTED = (213, 94, 0)


def photo(image: UInt8[np.ndarray, "H W 3"]) -> str:
    """Return an image as a data URI."""
    picture = Image.fromarray(image)
    picture = picture.resize(_fitted(*image.shape[:2])[::-1], Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return _uri("jpeg", buffer)


def label_picture(label_map: UInt8[np.ndarray, "H W"], classes: ClassTable) -> str:
    """Return a label map in the colours of its classes, with ignored pixels in white."""
    return _indexed(label_map, _palette(classes))


def rejected_picture(
    layout: UInt8[np.ndarray, "H W"], kept: UInt8[np.ndarray, "H W"], classes: ClassTable
) -> str:
    """Return a label map with stripes on the rejected pixels.

    Args:
        layout: Label map (H, W) of the generated image.
        kept: Same label map with the rejected pixels ignored.
        classes: Class table with the colours.
    """
    layout = _small(layout)
    rejected = (_small(kept) == classes.ignore_index) & (layout != classes.ignore_index)
    return _striped(layout, rejected, classes)


def error_picture(
    truth: UInt8[np.ndarray, "H W"],
    before: UInt8[np.ndarray, "H W"],
    after: UInt8[np.ndarray, "H W"],
    *,
    ignore_index: int,
) -> str:
    """Return a map of the errors of two models, in `ERROR_COLOURS`."""
    wrong_before, wrong_after = before != truth, after != truth
    kinds = np.select(
        [truth == ignore_index, wrong_before & wrong_after, wrong_after, wrong_before],
        [4, 3, 2, 1],
        default=0,
    ).astype(np.uint8)
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(ERROR_COLOURS)] = list(ERROR_COLOURS.values())
    return _indexed(kinds, palette)


def _striped(
    layout: UInt8[np.ndarray, "H W"], rejected: Bool[np.ndarray, "H W"], classes: ClassTable
) -> str:
    palette = _palette(classes)
    stripe = classes.num_classes if classes.num_classes != classes.ignore_index else 254
    palette[stripe] = REJECTED
    y, x = np.indices(layout.shape)
    width = max(2, max(layout.shape) // 60)
    shown = layout.copy()
    shown[rejected] = np.where((x + y) // width % 2 == 0, stripe, classes.ignore_index)[rejected]
    return _indexed(shown, palette)


def _palette(classes: ClassTable) -> UInt8[np.ndarray, "256 3"]:
    palette = np.zeros((256, 3), np.uint8)
    palette[: classes.num_classes] = classes.palette
    palette[classes.ignore_index] = 255
    return palette


def _indexed(ids: UInt8[np.ndarray, "H W"], palette: UInt8[np.ndarray, "256 3"]) -> str:
    picture = Image.fromarray(_small(ids))
    picture.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return _uri("png", buffer)


def _small(label_map: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "h w"]:
    return resize_label_map(label_map, _fitted(*label_map.shape))


def _fitted(height: int, width: int) -> tuple[int, int]:
    """Return the size with the longest side at most `LONGEST_SIDE`."""
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _uri(kind: str, buffer: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
