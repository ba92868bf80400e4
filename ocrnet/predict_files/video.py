"""Frames of a video, decoded by OpenCV."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from ocrnet.errors import DataError


def read_frames(
    path: Path, *, every: int, wanted: Callable[[int], bool]
) -> Iterator[tuple[int, UInt8[np.ndarray, "H W 3"] | None]]:
    """Yield every so many frames of a video with their numbers, from 0; the pixels are None if they are not wanted.

    Args:
        path: Path of the file.
        every: Distance of the frames; 1 yields all.
        wanted: Function of a frame's number; other frames are counted and not decoded.

    Raises:
        DataError: The file is no video that OpenCV reads, or it has no frame.
    """
    with _opened(path) as video:
        number = 0
        while video.grab():
            if number % every == 0:
                yield number, _decoded(path, video, number) if wanted(number) else None
            number += 1
    if number == 0:
        raise DataError(f"E121 {path} cannot be read (no frame). Export it again as MP4.")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise DataError(f"E121 {path}: no such file. Put it there.")
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise DataError(
                f"E121 {path} cannot be read (not a video that OpenCV knows). Export it again as MP4."
            )
        yield video
    finally:
        video.release()


def _decoded(path: Path, video: Any, number: int) -> UInt8[np.ndarray, "H W 3"]:
    is_whole, frame = video.retrieve()
    if not is_whole or frame is None or frame.ndim != 3:
        raise DataError(f"E121 {path}: frame {number} cannot be read. Export it again as MP4.")
    return np.ascontiguousarray(frame[..., ::-1])
