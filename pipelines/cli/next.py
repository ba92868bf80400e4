"""`ocrnet next [SOURCE...] -o OUT`: which images to label next, or which labels are likely wrong."""

from pathlib import Path

import click

from pipelines.cli.arguments import SafePath, device_option, out_option


@click.command(short_help="Tell which images to label next, or which labels are likely wrong.")
@click.argument("sources", metavar="[SOURCE...]", nargs=-1)
@out_option
@click.option(
    "-n", "--count", type=click.IntRange(min=1), default=20, show_default=True, metavar="N",
    help="Number of images to label; with --labels, of images on the sheet.",
)  # fmt: skip
@click.option(
    "--model", "models", multiple=True, metavar="MODEL",
    help="Folder of a bundle, champion, challenger, models:/NAME/VERSION or models:/NAME@ALIAS (default: champion). "
    "Give it once per seed: several are an ensemble.",
)  # fmt: skip
@click.option(
    "--reference", type=SafePath(), default=Path("data/prepare"), show_default=True, metavar="FOLDER",
    help="Folder of the prepared set that the models were trained on.",
)  # fmt: skip
@click.option(
    "--labels",
    is_flag=True,
    help="Rank the labelled images instead, by likely label errors: those of val and test.",
)
@click.option(
    "--folds", type=click.IntRange(min=2), metavar="K",
    help="With --labels: also those of train, by K models that are trained now, each without one part of them.",
)  # fmt: skip
@device_option
def next(
    sources: tuple[str, ...],
    out: Path,
    count: int,
    models: tuple[str, ...],
    reference: Path,
    labels: bool,
    folds: int | None,
    device: str | None,
) -> int:
    """Choose the images to label next, and write them with pre-labels and a sheet into the empty folder OUT.

    A SOURCE is an image, a folder, a pattern in quotes such as 'photos/**/*.png', or - for a list of these with one on
    each line of the standard input; without any, the unlabelled images of the prepared set are ranked. Files that
    cannot be read are reported at the end, with exit code 3.
    """
    from pipelines.cli._next_images import NextRequest, choose_next  # torch
    from pipelines.cli._next_labels import LabelsRequest, find_label_errors

    if labels or folds is not None:
        find_label_errors(
            LabelsRequest(
                out, count, models, reference, labels=labels, sources=sources, folds=folds, device=device
            )
        )  # fmt: skip
    else:
        choose_next(NextRequest(sources, out, count, models, reference, device=device))
    return 0
