"""The prediction of many files: one after the other, what is done is skipped, what cannot be read is reported."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ocrnet.errors import DataError
from ocrnet.errors.machine import is_of_machine
from ocrnet.inference.predict import labels
from ocrnet.prediction.bands import ArrayRows, Band, Rows
from ocrnet.prediction.journal import Done, stamp_of
from ocrnet.prediction.outputs import OVERLAYS, PROBABILITIES, Outputs
from ocrnet.prediction.predictor import Predictor
from ocrnet.prediction.sources import Source
from ocrnet.prediction.video import read_frames


@dataclass(frozen=True)
class Kinds:
    """What is written beside the label maps.

    Args:
        overlays: Whether overlays are written.
        probabilities: Whether probabilities are written.
    """

    overlays: bool = False
    probabilities: bool = False

    @property
    def folders(self) -> list[str]:
        """The folders of these outputs."""
        return [OVERLAYS] * self.overlays + [PROBABILITIES] * self.probabilities


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


def settings_of(predictor: Predictor) -> dict[str, Any]:
    """Return what label maps depend on, for the record of the outputs."""
    segmenter = predictor.segmenter
    return {
        "weights_sha256": segmenter.weights_sha256,
        "classes": asdict(segmenter.class_table),
        "decoding": asdict(segmenter.decoding),
        "protocol": asdict(segmenter.protocol),
    }


def predict_sources(
    predictor: Predictor,
    sources: Sequence[Source],
    outputs: Outputs,
    *,
    kinds: Kinds,
    every: int = 1,
) -> Iterator[Outcome]:
    """Predict files, and yield what became of each image.

    Args:
        predictor: Model.
        sources: Files to predict.
        outputs: Folder of the outputs.
        kinds: What is written beside the label maps.
        every: Distance of the frames of a video that are predicted.
    """
    for source in sources:
        try:
            if source.is_video:
                yield from _predict_video(predictor, source, outputs, kinds, every)
            else:
                yield _predict_file(predictor, source, outputs, kinds)
        except DataError as error:
            if is_of_machine(error):  # the same would become of every other file
                raise
            yield Outcome(source, "unreadable", _line(str(error)))
        except OSError as error:
            if is_of_machine(error):
                raise
            words = f"{source.path}: its outputs cannot be written ({error.strerror}). Rename it."
            yield Outcome(source, "unreadable", _line(words))


def _predict_file(predictor: Predictor, source: Source, outputs: Outputs, kinds: Kinds) -> Outcome:
    stamp = stamp_of(source.path)
    if _is_done(outputs, source, None, stamp, kinds):
        return Outcome(source, "done")
    rows = predictor.open(source.path)
    if kinds.probabilities and not isinstance(rows, ArrayRows):
        raise DataError(
            f"E124 {source.path}: {rows.width} x {rows.height} pixels are too many for --probabilities. Leave it "
            "out for this image."
        )
    image, size = source.path.as_posix(), (rows.height, rows.width)
    item = Done(source.key, None, image, source.name, *size, stamp)
    _predict_rows(predictor, rows, item, outputs, kinds)
    return Outcome(source, "predicted")


def _predict_video(
    predictor: Predictor, source: Source, outputs: Outputs, kinds: Kinds, every: int
) -> Iterator[Outcome]:
    stamp = stamp_of(source.path)

    def is_new(frame: int) -> bool:
        return not _is_done(outputs, source, frame, stamp, kinds)

    for frame, image in read_frames(source.path, every=every, wanted=is_new):
        if image is None:
            yield Outcome(source, "done")
            continue
        rows = ArrayRows(image)
        given, name = f"{source.path.as_posix()}#{frame}", f"{source.name}/{frame:06d}"
        item = Done(source.key, frame, given, name, rows.height, rows.width, stamp)
        _predict_rows(predictor, rows, item, outputs, kinds)
        yield Outcome(source, "predicted")


def _is_done(
    outputs: Outputs, source: Source, frame: int | None, stamp: tuple[int, int], kinds: Kinds
) -> bool:
    found = outputs.journal.find(source.key, frame, stamp)
    return found is not None and outputs.has(found.name, kinds.folders)


def _predict_rows(
    predictor: Predictor, rows: Rows, item: Done, outputs: Outputs, kinds: Kinds
) -> None:
    """Write the outputs of an image, and its line of the journal when they are complete."""
    outputs.delete_stale(item)
    size = (rows.height, rows.width)
    bands: Iterator[Band] = predictor.bands(rows)
    if kinds.probabilities:
        image = rows.read(0, rows.height)
        scores = predictor.segmenter.scores_at_size(image)
        outputs.write_probabilities(item.name, predictor.finish(scores))
        bands = iter([Band(image, labels(scores))])
    pixels = outputs.write_bands(item.name, size, bands, overlay=kinds.overlays)
    outputs.journal.add(replace(item, pixels=pixels))


def _line(text: str) -> str:
    """Return a message in one line of printable characters: a path may hold any."""
    line = " ".join(text.split())
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)
