"""The prediction of many files: what is done is skipped, what cannot be read is reported."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ocrnet.errors import DataError
from ocrnet.inference.predict import labels
from ocrnet.predict_files.bands import Band
from ocrnet.predict_files.jobs import Job, Kinds, Outcome, find_jobs, unreadable
from ocrnet.predict_files.object_pictures import painter
from ocrnet.predict_files.objects import FoundObject
from ocrnet.predict_files.outputs import Outputs
from ocrnet.predict_files.predictor import Predictor
from ocrnet.predict_files.sources import Source


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
    for found in find_jobs(predictor, sources, outputs, kinds, (every, frames)):
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
            yield unreadable(job.source, error)
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
