"""Frames of a video or of a camera, decoded by OpenCV."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from cv2.utils import logging
from jaxtyping import UInt8

from ocrnet.errors import DataError


def read_frames(
    source: Path | int, *, every: int, wanted: Callable[[int], bool], most: int | None = None
) -> Iterator[tuple[int, UInt8[np.ndarray, "H W 3"] | None]]:
    """Yield every so many frames with their numbers, from 0; the pixels are None if they are not wanted.

    Args:
        source: Path of a video, or number of a camera.
        every: Distance of the frames; 1 yields all.
        wanted: Function of a frame's number; other frames are counted and not decoded.
        most: Number of frames to yield; None: all, which never end from a camera.

    Raises:
        DataError: The file is no video that OpenCV reads, there is no such camera, or it gives no frame.
    """
    name, cure = _words(source)
    with _opened(source) as video:
        number = given = 0
        while (most is None or given < most) and video.grab():
            if number % every == 0:
                given += 1
                yield number, _decoded(name, cure, video, number) if wanted(number) else None
            number += 1
    if number == 0:
        raise DataError(f"E121 {name} cannot be read (no frame). {cure}")


def _words(source: Path | int) -> tuple[str, str]:
    """Return the name of a source in messages, and the cure of a fault."""
    if isinstance(source, int):
        return f"camera {source}", "Connect it, or close the program that uses it."
    return str(source), "Export it again as MP4."


@contextmanager
def _opened(source: Path | int) -> Iterator[Any]:
    is_camera = isinstance(source, int)
    if isinstance(source, Path) and not source.is_file():
        raise DataError(f"E121 {source}: no such file. Put it there.")
    before = logging.getLogLevel()
    # OpenCV tells of a missing camera in lines of its own.
    logging.setLogLevel(logging.LOG_LEVEL_SILENT if is_camera else before)
    video = cv2.VideoCapture(source if isinstance(source, int) else str(source))
    logging.setLogLevel(before)
    try:
        if not video.isOpened():
            name, cure = _words(source)
            reason = "no such camera" if is_camera else "not a video that OpenCV knows"
            raise DataError(f"E121 {name} cannot be read ({reason}). {cure}")
        yield video
    finally:
        video.release()


def _decoded(name: str, cure: str, video: Any, number: int) -> UInt8[np.ndarray, "H W 3"]:
    is_whole, frame = video.retrieve()
    if not is_whole or frame is None or frame.ndim != 3:
        raise DataError(f"E121 {name}: frame {number} cannot be read. {cure}")
    return np.ascontiguousarray(frame[..., ::-1])
