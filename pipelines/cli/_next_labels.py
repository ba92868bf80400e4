"""The work of `ocrnet next --labels`: judge the labelled images by models that did not learn from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ocrnet.config.params_file import load_params
from ocrnet.data.manifest import ClassTable, read_manifest
from ocrnet.errors import ParamsError
from ocrnet.labelling.folds import train_folds
from ocrnet.labelling.label_outputs import LABELS_FILE, write_label_errors
from ocrnet.labelling.label_ranking import Judge, RankedLabels, rank_labels
from ocrnet.labelling.outputs import SHEET_FILE, require_empty
from ocrnet.labelling.panel import Panel
from ocrnet.predict_files.predictor import checked_device, load
from ocrnet.runtime import pick_device
from pipelines.cli._next_images import DEFAULT_MODELS, require_classes
from pipelines.cli.progress import progress_bar

KEPT = Path(".state/folds")  # models of folds


@dataclass(frozen=True)
class LabelsRequest:
    """What the user wants; the fields have the names of the options.

    Args:
        out: Folder of the outputs.
        count: Number of images on the sheet.
        models: Folders of bundles, or names of the registry; empty: the champion.
        reference: Folder of the prepared set.
        labels: Whether labelled images are asked for; `folds` alone is refused.
        sources: Unlabelled images, which are refused.
        folds: Number of models to train; None: images of val and test are judged by `models`.
        device: One of cpu, cuda and cuda:N; None: CUDA if there is a GPU.
    """

    out: Path
    count: int
    models: tuple[str, ...]
    reference: Path
    labels: bool
    sources: tuple[str, ...]
    folds: int | None
    device: str | None


def find_label_errors(request: LabelsRequest) -> None:
    """Rank labelled images by likely errors, write the result, and tell where.

    Raises:
        ParamsError: Options contradict each other, the folder of the outputs is not empty, or params are wrong.
        DataError: The prepared set is missing, of other classes, or has no image to judge.
        BundleError: A model is damaged.
        StoreError: MLflow does not answer.
        TrainError: A fold cannot be trained.
    """
    _check(request)
    require_empty(request.out)
    judges = _by_models(request) if request.folds is None else _by_folds(request, request.folds)
    request.out.mkdir(parents=True, exist_ok=True)
    with progress_bar("labelled") as progress:
        ranked = rank_labels(request.reference, judges, spool=request.out, progress=progress)
    classes = ClassTable.read(request.reference)
    write_label_errors(request.out, ranked, classes, shown=request.count)
    click.echo(f"{request.out}: {_words(ranked, judges)}")
    click.echo(f"{request.out / LABELS_FILE}, {request.out / SHEET_FILE}")


def _check(request: LabelsRequest) -> None:
    if not request.labels:
        raise ParamsError("--folds: found it without --labels. Give both.")
    if request.sources:
        raise ParamsError(
            f"--labels: found it with the source {request.sources[0]}. Leave one of them out: the labelled images are "
            "those of --reference."
        )
    if request.folds is not None and request.models:
        raise ParamsError(
            f"--folds: found it with --model {request.models[0]}. Leave one of them out: --folds trains its own models."
        )


def _by_models(request: LabelsRequest) -> list[Judge]:
    """Return the images of val and test with the given models, which learned from those of train."""
    panel = Panel(
        [load(one, device=request.device).segmenter for one in request.models or DEFAULT_MODELS]
    )
    require_classes(panel, request.reference)
    manifest = read_manifest(request.reference)
    return [Judge(panel, manifest[manifest["split"] != "train"].reset_index(drop=True))]


def _by_folds(request: LabelsRequest, folds: int) -> list[Judge]:
    device = str(pick_device()) if request.device is None else checked_device(request.device)
    return train_folds(
        load_params(Path("params.yaml")), request.reference, folds,
        kept=KEPT, device=device, tell=lambda line: click.echo(line, err=True),
    )  # fmt: skip


def _words(ranked: RankedLabels, judges: Sequence[Judge]) -> str:
    """Return the result in one line."""
    found = [one for one in ranked.suspects if one.pixels]
    splits = sorted({str(one.row["split"]) for one in ranked.suspects})
    by = f"{len(judges) - 1} models of folds" if len(judges) > 1 else "the given models"
    return (
        f"{len(found)} of {len(ranked.suspects)} images of {', '.join(splits)} have likely label errors, "
        f"{sum(one.pixels for one in found)} pixels, by {by}"
    )
