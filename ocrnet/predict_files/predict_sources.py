"""The prediction of many files: what is done is skipped, what cannot be read is reported."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ocrnet.errors import DataError
from ocrnet.errors.machine import is_of_machine
from ocrnet.inference.predict import labels
from ocrnet.predict_files.bands import ArrayRows, Band, Rows
from ocrnet.predict_files.journal import Done, stamp_of
from ocrnet.predict_files.object_pictures import painter
from ocrnet.predict_files.objects import FoundObject
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


def settings_of(predictor: Predictor, *, min_object_area: int = 1) -> dict[str, Any]:
    """Return what label maps and objects depend on, for the record of the outputs."""
    segmenter = predictor.segmenter
    objects = {"things": list(segmenter.things), "min_area": min_object_area}
    return {
        "weights_sha256": segmenter.weights_sha256,
        "classes": asdict(segmenter.class_table),
        "decoding": asdict(segmenter.decoding),
        "protocol": asdict(segmenter.protocol),
        **({"objects": objects} if segmenter.things else {}),
    }


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


def predict_sources(
    predictor: Predictor,
    sources: Sequence[Source],
    outputs: Outputs,
    *,
    kinds: Kinds,
    every: int = 1,
    frames: int | None = None,
    batch: int = 1,
) -> Iterator[Outcome]:
    """Predict files, and yield what became of each image.

    Args:
        predictor: Model, which scores whole images if `batch` is above 1.
        sources: Files to predict.
        outputs: Folder of the outputs.
        kinds: What is written beside the label maps.
        every: Distance of the frames of a video or camera that are predicted.
        frames: Most frames of each video or camera that are predicted; None: all of a video, and 100
            of a camera.
        batch: Most images that the network gets at once: those that follow each other and are of one size.
    """
    waiting: list[Job] = []
    for found in _find(predictor, sources, outputs, kinds, (every, frames)):
        if isinstance(found, Outcome):
            yield found
            continue
        if waiting and found.size != waiting[0].size:
            yield from _predict(predictor, waiting, outputs, kinds)
            waiting = []
        waiting.append(found)
        if len(waiting) >= batch:
            yield from _predict(predictor, waiting, outputs, kinds)
            waiting = []
    yield from _predict(predictor, waiting, outputs, kinds)


def _find(
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
            yield _unreadable(source, error)


def _unreadable(source: Source, error: DataError | OSError) -> Outcome:
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


def _predict(
    predictor: Predictor, jobs: Sequence[Job], outputs: Outputs, kinds: Kinds
) -> Iterator[Outcome]:
    """Predict images of one size, and yield what became of them."""
    scores: Sequence[Float[Tensor, "1 K H W"] | None] = [None] * len(jobs)
    if len(jobs) > 1 or (jobs and (kinds.probabilities or kinds.objects)):
        images = [job.rows.read(0, job.rows.height) for job in jobs]
        scores = torch.split(predictor.segmenter.batch_scores(images), 1)
    for job, own in zip(jobs, scores, strict=True):
        try:
            _write(predictor, job, own, outputs, kinds)
        except (DataError, OSError) as error:
            yield _unreadable(job.source, error)
        else:
            yield Outcome(job.source, "predicted")


def _write(
    predictor: Predictor, job: Job, scores: Float[Tensor, "1 K H W"] | None, outputs: Outputs, kinds: Kinds
) -> None:  # fmt: skip
    """Write the outputs of an image, and its line of the journal when they are complete.

    Args:
        predictor: Model.
        job: Image.
        scores: Scores of the image; None: it is predicted from top to bottom.
        outputs: Folder of the outputs.
        kinds: What is written beside the label map.
    """
    item, rows = job.item, job.rows
    outputs.delete_stale(item)
    found: list[FoundObject] = []
    if scores is None:
        bands = predictor.bands(rows)
    else:
        if kinds.probabilities or kinds.objects:
            probabilities = predictor.finish(scores)
        if kinds.probabilities:
            outputs.write_probabilities(item.name, probabilities)
        if kinds.objects:
            image = rows.read(0, rows.height)
            found = predictor.objects_in(image, probabilities, min_area=kinds.min_object_area)
            outputs.write_objects(item.name, found)
        bands = iter([Band(rows.read(0, rows.height), labels(scores))])
    things = predictor.segmenter.things if kinds.objects else ()
    paint = painter(predictor.classes, found, things) if kinds.overlays else None
    pixels = outputs.write_bands(item.name, job.size, bands, paint=paint)
    outputs.journal.add(replace(item, pixels=pixels))


def _line(text: str) -> str:
    """Return a message in one line of printable characters: a path may hold any."""
    line = " ".join(text.split())
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)
