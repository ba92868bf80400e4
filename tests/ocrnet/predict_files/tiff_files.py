"""TIFF files in the layouts that Pillow does not write."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

DEFLATE = 8
_NUMPY = {"<": "<u2", ">": ">u2"}


def write_tiled(
    path: Path, image: npt.NDArray[Any], *, tile: tuple[int, int], order: str = "<", **tags: int
) -> None:
    """Write an RGB image of 8 or 16 bits as deflated tiles; tags by number replace others, as `t274=6`."""
    deep = image.dtype == np.uint16
    height, width = image.shape[:2]
    body, offsets, sizes = b"", [], []
    for top in range(0, height, tile[0]):
        for left in range(0, width, tile[1]):
            block = np.zeros((*tile, 3), image.dtype)
            part = image[top : top + tile[0], left : left + tile[1]]
            block[: part.shape[0], : part.shape[1]] = part
            packed = zlib.compress((block.astype(_NUMPY[order]) if deep else block).tobytes())
            offsets.append(8 + len(body))
            sizes.append(len(packed))
            body += packed
    values: dict[int, list[int]] = {
        256: [width], 257: [height], 258: [16 if deep else 8] * 3, 259: [DEFLATE], 262: [2], 277: [3],
        284: [1], 322: [tile[1]], 323: [tile[0]], 324: offsets, 325: sizes,
    }  # fmt: skip
    values |= {int(name[1:]): [value] for name, value in tags.items()}
    place = 8 + len(body)
    after, extra = place + 6 + 12 * len(values), b""
    entries = struct.pack(f"{order}H", len(values))
    for number, found in sorted(values.items()):
        content = struct.pack(f"{order}{len(found)}I", *found)
        entries += struct.pack(f"{order}HHI", number, 4, len(found))
        if len(found) > 1:
            entries += struct.pack(f"{order}I", after + len(extra))
            extra += content
        else:
            entries += content
    mark = {"<": b"II", ">": b"MM"}[order]
    head = mark + struct.pack(f"{order}HI", 42, place)
    path.write_bytes(head + body + entries + struct.pack(f"{order}I", 0) + extra)
