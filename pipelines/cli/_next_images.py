"""The work of `ocrnet next`: measure the labelled and the unlabelled images, choose, write, tell."""

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from ocrnet.data.manifest import ClassTable
from ocrnet.errors import DataError
from ocrnet.labelling.candidates import candidates_of_files, prepared_candidates
from ocrnet.labelling.outputs import SHEET_FILE, TABLE_FILE, require_empty, write_next
from ocrnet.labelling.panel import CURE, Panel
from ocrnet.labelling.ranking import labelled_vectors, measure_candidates, rank
from ocrnet.predict_files.predictor import load
from ocrnet.predict_files.sources import find_sources
from pipelines.cli.progress import progress_bar

DEFAULT_MODELS = ("champion",)


@dataclass(frozen=True)
class NextRequest:
    """What the user wants; the fields have the names of the options.

    Args:
        sources: Files, folders, patterns, and `-` for the standard input; empty: the prepared set's unlabelled images.
        out: Folder of the outputs.
        count: Number of images to label.
        models: Folders of bundles, or names of the registry; empty: the champion.
        reference: Folder of the prepared set.
        device: One of cpu, cuda and cuda:N; None: CUDA if there is a GPU.
    """

    sources: tuple[str, ...]
    out: Path
    count: int
    models: tuple[str, ...]
    reference: Path
    device: str | None


def choose_next(request: NextRequest) -> None:
    """Choose images to label, write them with pre-labels, and tell where.

    Raises:
        ParamsError: The folder of the outputs is not empty, or the models do not fit each other.
        DataError: The prepared set is missing or of other classes, or there are no images; or files cannot be read: a
            line for each, after the result of all others was written.
        BundleError: A model is damaged or has no known encoder.
        StoreError: MLflow does not answer.
    """
    require_empty(request.out)
    if request.sources:
        found = find_sources(request.sources, out=request.out, listed=sys.stdin)
        candidates = candidates_of_files(found)
    else:
        candidates = prepared_candidates(request.reference)
    predictors = [load(one, device=request.device) for one in request.models or DEFAULT_MODELS]
    panel = Panel([one.segmenter for one in predictors])
    require_classes(panel, request.reference)
    with progress_bar("labelled") as progress:
        labelled = labelled_vectors(panel, request.reference, progress)
    read = predictors[0].read
    with progress_bar("unlabelled") as progress:
        measured = measure_candidates(panel, candidates, read, progress)
    ranked = rank(measured, labelled, count=request.count)
    write_next(request.out, ranked, panel, read)
    judges = (
        f"{len(predictors)} models" if len(predictors) > 1 else f"views by {predictors[0].name}"
    )
    click.echo(
        f"{request.out}: {len(ranked)} of {len(measured.candidates)} images to label, by {judges}"
    )
    click.echo(f"{request.out / TABLE_FILE}, {request.out / SHEET_FILE}")
    if measured.faults:
        raise DataError("\n".join(measured.faults))


def require_classes(panel: Panel, reference: Path) -> None:
    """Refuse models of other classes than those of the prepared set.

    Raises:
        DataError: The classes differ, or the set is missing.
    """
    ClassTable.read(reference).require_same(
        panel.classes, place=reference.as_posix(), other="the model", cure=CURE
    )
