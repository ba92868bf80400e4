"""Reading of 16-bit colours as stored, with OpenCV: Pillow silently reduces them to 8 bits."""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ocrnet.data.storage import Storage
from ocrnet.errors import DataError

Deep = npt.NDArray[np.uint16]

_ORIENTATION = 274  # a TIFF tag


def read_deep_colour(path: Path, storage: Storage) -> tuple[Deep, Deep | None]:
    """Read colours (H, W, 3) or gray (H, W), and alpha (H, W) if the file has it.

    Raises:
        DataError: OpenCV cannot read the file.
    """
    import cv2  # takes half a second to import, and few sets need it

    content = _upright(path.read_bytes())
    try:
        found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        found = None
    if found is None or found.dtype != np.uint16 or found.ndim != 3:
        raise DataError(f"E121 {path} cannot be read (16-bit colour). Export it again.")
    pixels = np.asarray(found)
    alpha = pixels[..., 3] if storage.alpha != "none" and pixels.shape[2] == 4 else None
    colours = np.ascontiguousarray(pixels[..., 2::-1])
    if storage.alpha == "premultiplied" and alpha is not None:
        colours = _straight(colours, alpha)
    return (colours[..., 0] if storage.colours == "gray" else colours), alpha


def _straight(colours: Deep, alpha: Deep) -> Deep:
    """Divide colours by the alpha that they were multiplied with, as Pillow does for 8 bits."""
    share = np.maximum(alpha, 1).astype(np.float64)[..., None] / 65535
    return np.minimum(np.rint(colours / share), 65535).astype(np.uint16)


def _upright(content: bytes) -> bytes:
    """Return the file with its TIFF orientation set to 1: with another orientation OpenCV rotates it or fails."""
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None:
        return content
    big = struct.unpack_from(f"{order}H", content, 2)[0] == 43  # BigTIFF
    start = struct.unpack_from(f"{order}{'Q' if big else 'I'}", content, 8 if big else 4)[0]
    count = struct.unpack_from(f"{order}{'Q' if big else 'H'}", content, start)[0]
    first, size, value = (start + 8, 20, 12) if big else (start + 2, 12, 8)
    patched = bytearray(content)
    for entry in range(first, first + count * size, size):
        if struct.unpack_from(f"{order}H", content, entry)[0] == _ORIENTATION:
            struct.pack_into(f"{order}H", patched, entry + value, 1)
    return bytes(patched)
