"""The canonical pixels of a raw file: an RGB image, a label map of class ids, both at the size of `prepare.resize`."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ocrnet.config import Params
from ocrnet.data.decode import read_image, resize_image
from ocrnet.data.manifest import file_sha256
from ocrnet.errors import DataError
from ocrnet.raw.label_maps import label_rules, resize_label_map, to_class_ids
from ocrnet.raw.raw_values import read_values

Pixels = npt.NDArray[np.uint8]


def check_unchanged(path: Path, sha256: str) -> None:
    """Check that a raw file is the one that was scanned.

    Raises:
        DataError: It changed.
    """
    if file_sha256(path) != sha256:
        raise DataError(f"{path}: the file changed since the scan. Run `dvc repro` again.")


def decode_image(path: Path, params: Params) -> Pixels:
    """Return an RGB image of (H, W, 3)."""
    data, size = params.data, params.prepare.resize
    image = read_image(
        path,
        value_range=data.value_range,
        exif=data.exif,
        alpha=data.alpha,
        extra_bands=data.extra_bands,
        max_pixels=data.max_pixels,
    )
    return image if size is None or image.shape[:2] == size else resize_image(image, size)


def decode_label_map(path: Path, params: Params) -> Pixels:
    """Return a label map of class ids (H, W)."""
    data, size = params.data, params.prepare.resize
    rules = label_rules(data)
    values = read_values(path, rules, exif=data.exif, max_pixels=data.max_pixels)
    label_map = to_class_ids(values, rules)
    if size is None or label_map.shape == size:
        return label_map
    return resize_label_map(label_map, size)
