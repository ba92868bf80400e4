"""`ocrnet drift SOURCE... -o OUT`: whether new images are like those that a model was trained on."""

from pathlib import Path

import click

from pipelines.cli.arguments import SafePath, device_option, out_option


@click.command(short_help="Tell whether new images are like those that a model was trained on.")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@out_option
@click.option(
    "--model", default="champion", show_default=True, metavar="MODEL",
    help="Folder of a bundle, champion, challenger, models:/NAME/VERSION or models:/NAME@ALIAS.",
)  # fmt: skip
@click.option(
    "--reference", type=SafePath(), default=Path("data/prepare"), show_default=True, metavar="FOLDER",
    help="Folder of the prepared set that the model was trained on.",
)  # fmt: skip
@click.option(
    "--rate", type=float, default=0.05, show_default=True, metavar="RATE",
    help="Highest probability of a false alarm, for an image and for the set, in (0, 1).",
)  # fmt: skip
@click.option("--mlflow", is_flag=True, help="Also send the result to MLflow as a run.")
@device_option
def drift(
    sources: tuple[str, ...],
    out: Path,
    model: str,
    reference: Path,
    rate: float,
    mlflow: bool,
    device: str | None,
) -> int:
    """Compare images with the set that a model was trained on, and write a page about them into OUT.

    A SOURCE is an image, a folder, a pattern in quotes such as 'photos/**/*.png', or - for a list of these with one on
    each line of the standard input. Files that cannot be read are reported at the end, with exit code 3.
    """
    from pipelines.cli._drift import DriftRequest, find_drift  # torch

    find_drift(DriftRequest(sources, out, model, reference, rate, mlflow=mlflow, device=device))
    return 0
