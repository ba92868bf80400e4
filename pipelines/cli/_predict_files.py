"""The work of `ocrnet predict`: find, load, predict, tell."""

import io
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ocrnet.errors import DataError, ParamsError
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.predict_files.jobs import Kinds, Outcome
from ocrnet.predict_files.journal import names_in
from ocrnet.predict_files.outputs import Outputs, require_folder
from ocrnet.predict_files.predict_sources import predict_sources, settings_of
from ocrnet.predict_files.predictor import Predictor, load, require_probabilities
from ocrnet.predict_files.sources import Source, find_sources
from pipelines._command.lock import locked

LOCK_FILE = ".lock"  # held by the run that writes to a folder


@dataclass(frozen=True)
class PredictRequest:
    """What the user wants; the fields have the names of the options.

    Args:
        sources: Files, folders, patterns, and `-` for the standard input.
        out: Folder of the outputs.
        model: Folder of a bundle, exported ONNX file, or a name of the registry.
        overlays, probabilities, objects, coco: Whether these are written beside the label maps.
        min_object_area: Pixels of the smallest object.
        window: Height and width of a sliding window, in pixels; None: the whole image.
        overlap: Share of a window that the next window covers again, in [0, 1).
        window_weights: How much the pixels of a window count: uniform or gaussian.
        scales: Sizes relative to the image's own size.
        flip: Whether the mirrored image is also predicted.
        merge: Name in `MERGERS`.
        every: Distance of the frames of a video or camera.
        frames: Most frames of each of them; None: all.
        batch: Most images of one size that the network gets at once.
        device: One of cpu, cuda and cuda:N; None: CUDA if there is a GPU.
        force: Whether the outputs of earlier runs are deleted.
    """

    sources: tuple[str, ...]
    out: Path
    model: str
    overlays: bool
    probabilities: bool
    objects: bool
    coco: bool
    min_object_area: int
    window: tuple[int, int] | None
    overlap: float
    window_weights: str
    scales: tuple[float, ...]
    flip: bool
    merge: str
    every: int
    frames: int | None
    batch: int
    device: str | None
    force: bool


def predict_files(request: PredictRequest) -> None:
    """Predict what a request names, and tell the user what was done.

    Raises:
        ParamsError: An option is wrong, or the folder has outputs of another model or other options, or another run
            writes to it.
        DataError: A source has no images, or the registry lacks the version; or files cannot be read: a line for each,
            after all others were predicted.
        BundleError: The model is damaged.
        StoreError: MLflow does not answer.
    """
    protocol = ScoringProtocol(
        request.window,
        request.overlap,
        request.scales,
        request.flip,
        request.merge,
        request.window_weights,
    )
    if request.batch > 1 and request.window is not None:
        raise ParamsError(
            f"--batch: found {request.batch} with --window, by which images are predicted one at a time. Leave one of "
            "them out."
        )
    known = {} if request.force else names_in(request.out)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # a path may be no UTF-8
    sources = find_sources(request.sources, out=request.out, listed=sys.stdin, known=known)
    predictor = load(request.model, device=request.device, protocol=protocol)
    if request.objects and not predictor.segmenter.things:
        raise ParamsError(
            f"--objects: {predictor.name} has no thing classes. Train a model with data.things, or leave it out."
        )
    if request.probabilities or request.objects:
        require_probabilities(predictor.segmenter)
    require_folder(request.out)
    busy = f"{request.out}: another run writes there. Wait for it, or choose another folder."
    with locked(request.out / LOCK_FILE, busy=busy):
        if not request.force and names_in(request.out) != known:
            raise ParamsError(
                f"{request.out}: another run has just written there. Give the command again."
            )
        _write(request, predictor, sources)


def _write(request: PredictRequest, predictor: Predictor, sources: Sequence[Source]) -> None:
    """Predict files into a folder that no other run writes to."""
    settings = settings_of(predictor, min_object_area=request.min_object_area)
    outputs = Outputs(request.out, predictor.classes, settings, force=request.force)
    kinds = Kinds(request.overlays, request.probabilities, request.objects, request.min_object_area)
    start = time.perf_counter()
    outcomes = predict_sources(
        predictor, sources, outputs, kinds=kinds, every=request.every,
        frames=request.frames, batch=request.batch,
    )  # fmt: skip
    counts, faults = _follow(outcomes, len(sources))
    spent = time.perf_counter() - start
    outputs.write_areas()
    things = predictor.segmenter.things if request.objects else ()
    if things:
        outputs.write_object_tables(things)
    if request.coco:
        faults += [
            f"{item.image}: {item.width} x {item.height} pixels are too many for coco.json; its label map is written."
            for item in outputs.write_coco(things)
        ]
    click.echo(f"{request.out}: {summary(counts, spent)} by {predictor.name}")
    if faults:
        raise DataError("\n".join(faults))


def summary(counts: Counter[str], spent_s: float) -> str:
    """Return the number of images by their state, and how many were predicted in a second.

    Examples:
        >>> summary(Counter(predicted=8, done=2), 4.0)
        '8 predicted, 2 done before, 2 images/s'
    """
    words = {"predicted": "predicted", "done": "done before", "unreadable": "unreadable"}
    parts = [f"{counts[state]} {text}" for state, text in words.items() if counts[state]]
    if counts["predicted"]:
        parts.append(f"{counts['predicted'] / max(spent_s, 1e-9):.3g} images/s")
    return ", ".join(parts)


def _follow(outcomes: Iterable[Outcome], sources: int) -> tuple[Counter[str], list[str]]:
    """Run the prediction with a progress bar, and return the number of images by state, and the messages."""
    counts: Counter[str] = Counter()
    faults, seen = [], set()
    with click.progressbar(
        length=sources, label="predict", file=sys.stderr, show_pos=True, hidden=not sys.stderr.isatty()
    ) as bar:  # fmt: skip
        for outcome in outcomes:
            counts[outcome.state] += 1
            faults += [outcome.words] if outcome.words else []
            if outcome.source.name not in seen:  # a video has many images
                seen.add(outcome.source.name)
                bar.update(1)
    return counts, faults
