"""The images among the given files that are still to be predicted, and what became of the others."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ocrnet.errors import DataError
from ocrnet.errors.machine import is_of_machine
from ocrnet.predict_files.bands import ArrayRows, Rows
from ocrnet.predict_files.journal import Done, stamp_of
from ocrnet.predict_files.outputs import OBJECTS, OVERLAYS, PROBABILITIES, Outputs
from ocrnet.predict_files.predictor import Predictor
from ocrnet.predict_files.sources import Source
from ocrnet.predict_files.video import read_frames

CAMERA_FRAMES = 100  # of a camera, unless the user says how many


@dataclass(frozen=True)
class Kinds:
    """What is written beside the label maps.

    Args:
        overlays: Whether overlays are written.
        probabilities: Whether probabilities are written.
        objects: Whether the objects of the thing classes are written.
        min_object_area: Pixels of the smallest object.
    """

    overlays: bool = False
    probabilities: bool = False
    objects: bool = False
    min_object_area: int = 1

    @property
    def folders(self) -> list[str]:
        """The folders of these outputs."""
        return (
            [OVERLAYS] * self.overlays
            + [PROBABILITIES] * self.probabilities
            + [OBJECTS] * self.objects
        )


@dataclass(frozen=True)
class Outcome:
    """What became of an image, or of a video that cannot be read.

    Args:
        source: File of the image.
        state: Whether it was predicted now, was done before, or cannot be read.
        words: Message about a file that cannot be read.
    """

    source: Source
    state: Literal["predicted", "done", "unreadable"]
    words: str = ""


@dataclass(frozen=True)
class Job:
    """An image to predict.

    Args:
        source: File of the image.
        item: Line of the journal that it gets, without the pixels of its classes.
        rows: The image.
    """

    source: Source
    item: Done
    rows: Rows

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image, in pixels."""
        return self.rows.height, self.rows.width


def find_jobs(
    predictor: Predictor,
    sources: Sequence[Source],
    outputs: Outputs,
    kinds: Kinds,
    frames: tuple[int, int | None],
) -> Iterator[Outcome | Job]:
    """Yield the images to predict, and what became of the others."""
    for source in sources:
        try:
            if source.is_video:
                yield from _frames(source, outputs, kinds, *frames)
            else:
                yield _image(predictor, source, outputs, kinds)
        except (DataError, OSError) as error:
            yield unreadable(source, error)


def unreadable(source: Source, error: DataError | OSError) -> Outcome:
    """Return the message about a file; raise the error if the same would become of every other file."""
    if is_of_machine(error):
        raise error
    words = str(error)
    if isinstance(error, OSError):
        words = f"{source.path}: its outputs cannot be written ({error.strerror}). Rename it."
    return Outcome(source, "unreadable", _line(words))


def _image(predictor: Predictor, source: Source, outputs: Outputs, kinds: Kinds) -> Outcome | Job:
    stamp = stamp_of(source.path)
    if _is_done(outputs, source, None, stamp, kinds):
        return Outcome(source, "done")
    rows = predictor.open(source.path)
    if (kinds.probabilities or kinds.objects) and not isinstance(rows, ArrayRows):
        option = "--probabilities" if kinds.probabilities else "--objects"
        raise DataError(
            f"E124 {source.path}: {rows.width} x {rows.height} pixels are too many for {option}. Leave it "
            "out for this image."
        )
    image, size = source.path.as_posix(), (rows.height, rows.width)
    return Job(source, Done(source.key, None, image, source.name, *size, stamp), rows)


def _frames(
    source: Source, outputs: Outputs, kinds: Kinds, every: int, most: int | None
) -> Iterator[Outcome | Job]:
    is_camera = source.camera is not None
    stamp = (0, time.time_ns()) if is_camera else stamp_of(source.path)  # a camera shows new images
    place = source.path if source.camera is None else source.camera
    most = CAMERA_FRAMES if is_camera and most is None else most

    def is_new(frame: int) -> bool:
        return not _is_done(outputs, source, frame, stamp, kinds)

    for frame, image in read_frames(place, every=every, wanted=is_new, most=most):
        if image is None:
            yield Outcome(source, "done")
            continue
        rows = ArrayRows(image)
        given, name = f"{source.path.as_posix()}#{frame}", f"{source.name}/{frame:06d}"
        yield Job(
            source, Done(source.key, frame, given, name, rows.height, rows.width, stamp), rows
        )


def _is_done(
    outputs: Outputs, source: Source, frame: int | None, stamp: tuple[int, int], kinds: Kinds
) -> bool:
    found = outputs.journal.find(source.key, frame, stamp)
    return found is not None and outputs.has(found.name, kinds.folders)


def _line(text: str) -> str:
    """Return a message in one line of printable characters: a path may hold any."""
    line = " ".join(text.split())
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)
