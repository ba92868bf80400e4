"""The work of `ocrnet drift`: measure the reference and the new images, compare, write, tell."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ocrnet.config.params_file import load_params
from ocrnet.drift.alarms import compare_sets, false_alarms, judge
from ocrnet.drift.measures import ImageMeasures, measure
from ocrnet.drift.outputs import MOST_SHOWN, Drift, metrics_of, write_drift
from ocrnet.drift.reference import Reference, read_reference
from ocrnet.errors import DataError, StoreError
from ocrnet.errors.machine import is_of_machine
from ocrnet.predict_files.outputs import require_folder
from ocrnet.predict_files.predictor import Predictor, load
from ocrnet.predict_files.sources import Source, find_sources
from pipelines.cli.progress import progress_bar

KEPT = Path(".state/drift")  # measures of reference sets
FILES = ("drift.html", "drift.csv", "drift.json")


@dataclass(frozen=True)
class DriftRequest:
    """What the user wants; the fields have the names of the options.

    Args:
        sources: Files, folders, patterns, and `-` for the standard input.
        out: Folder of the outputs.
        model: Folder of a bundle, or a name of the registry.
        reference: Folder of the prepared set.
        rate: Highest probability of a false alarm, in (0, 1).
        mlflow: Whether the result is sent to MLflow.
        device: One of cpu, cuda and cuda:N; None: CUDA if there is a GPU.
    """

    sources: tuple[str, ...]
    out: Path
    model: str
    reference: Path
    rate: float
    mlflow: bool
    device: str | None


def find_drift(request: DriftRequest) -> None:
    """Compare what a request names with the reference, write the files and tell the result.

    Raises:
        ParamsError: An option is wrong.
        DataError: The reference is missing or of other classes, or a source has no images; or files cannot be read: a
            line for each, after the result of all others was written.
        BundleError: The model is damaged or has no known encoder.
        StoreError: MLflow does not answer; the files are written before.
    """
    sources = find_sources(request.sources, out=request.out, listed=sys.stdin)
    predictor = load(request.model, device=request.device)
    with progress_bar("reference") as progress:
        reference = read_reference(
            request.reference, predictor.segmenter, kept=KEPT, progress=progress
        )
    train, val = reference.of_split("train"), reference.of_split("val")
    judge(val, train=train, val=val, rate=request.rate)  # a wrong rate is refused before the work
    require_folder(request.out)
    known, measured, faults = _measure_all(predictor, sources)
    if not known:
        raise DataError("\n".join(faults))
    table = reference.of_images(measured)
    drift = Drift(
        predictor.name,
        tuple(one.path.as_posix() for one in known),
        table,
        judge(table, train=train, val=val, rate=request.rate),
        tuple(compare_sets(table, val, rate=request.rate)),
        val,
        _rate_on_test(reference, request.rate),
    )
    shown = []
    for index in drift.strange[:MOST_SHOWN]:
        image = predictor.read(known[index].path)
        shown.append((index, image, predictor.predict(image)))
    write_drift(request.out, drift, shown, predictor.classes)
    click.echo(f"{request.out}: {drift.words}")
    click.echo(f"{request.out / FILES[0]}")
    if request.mlflow:
        _send(request, drift)
    if faults:
        raise DataError("\n".join(faults))


def _measure_all(
    predictor: Predictor, sources: Sequence[Source]
) -> tuple[list[Source], list[ImageMeasures], list[str]]:
    """Return the files that can be read, their measures, and a message for each other file."""
    known, measured, faults = [], [], []
    with progress_bar("images") as progress:
        for index, source in enumerate(sources):
            try:
                measured.append(_measured(predictor, source))
                known.append(source)
            except DataError as error:
                if is_of_machine(error):
                    raise
                faults.append(str(error))
            progress(index + 1, len(sources))
    return known, measured, faults


def _measured(predictor: Predictor, source: Source) -> ImageMeasures:
    if source.is_video:
        raise DataError(f"{source.path}: a video is not compared. Give frames of it as images.")
    return measure(predictor.segmenter, predictor.read(source.path))


def _rate_on_test(reference: Reference, rate: float) -> tuple[float, float, float] | None:
    if "test" not in reference.splits:
        return None
    train, val = reference.of_split("train"), reference.of_split("val")
    return false_alarms(judge(reference.of_split("test"), train=train, val=val, rate=rate))


def _send(request: DriftRequest, drift: Drift) -> None:
    """Send the result to MLflow.

    Raises:
        StoreError: MLflow does not answer or refuses the run.
    """
    from pipelines._mlflow.address import find_address
    from pipelines._mlflow.measured_run import send_measured

    target = find_address()
    reason = send_measured(
        target, load_params(Path("params.yaml")).publish.experiment, name="drift",
        params={"model": drift.model, "rate": request.rate, "sources": " ".join(request.sources)},
        metrics=metrics_of(drift), files=[request.out / name for name in FILES],
    )  # fmt: skip
    if reason is not None:
        raise StoreError(f"{target.shown}: {reason} The files in {request.out} are complete.")
    click.echo(f"sent to {target.shown}")
