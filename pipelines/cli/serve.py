"""`ocrnet serve`: a page and an HTTP interface for trained models."""

from pathlib import Path
from typing import Any

import click

from pipelines.cli.arguments import SafePath, device_option


@click.command(short_help="Serve models as a page and as an HTTP interface.")
@click.option(
    "--model", "models", multiple=True, default=("champion",), show_default=True, metavar="MODEL",
    help="Folder of a bundle, exported .onnx file, champion, challenger, models:/NAME/VERSION or models:/NAME@ALIAS; "
         "may be repeated.",
)  # fmt: skip
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="HOST",
    help="Address to listen on; one that other machines can reach needs a password.",
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(0, 65535), default=7860, show_default=True, metavar="PORT",
    help="Port; 0 takes a free one.",
)  # fmt: skip
@click.option(
    "--password-file", type=SafePath(), metavar="FILE",
    help="File whose first line is the password (default: the variable OCRNET_SERVE_PASSWORD, if it is set).",
)  # fmt: skip
@click.option(
    "--max-mib", type=click.IntRange(1, 4096), default=64, show_default=True, metavar="N",
    help="Largest image file, in MiB.",
)  # fmt: skip
@click.option(
    "--keep-mib", type=click.IntRange(1, 1 << 20), default=2048, show_default=True, metavar="N",
    help="Most that uploads and pictures of the page have together, in MiB; the oldest are deleted.",
)  # fmt: skip
@click.option(
    "--queue", type=click.IntRange(1, 1000), default=8, show_default=True, metavar="N",
    help="Most images of one model that are being predicted or wait.",
)  # fmt: skip
@device_option
@click.option(
    "--gan", type=SafePath(), metavar="FOLDER",
    help="Trained GAN, such as data/train_gan: the page gets an editor of images by their label maps.",
)  # fmt: skip
@click.option(
    "--data", type=SafePath(), default=Path("data"), show_default=True, metavar="FOLDER",
    help="Folder of the outputs of the stages, from which the page takes test images and scores.",
)  # fmt: skip
def serve(**options: Any) -> int:
    """Serve models until Ctrl-C: a page to try them on, and POST /predict for programs.

    Drop images on the page, and compare the first model with a second one.
    """
    from pipelines._serve.server import ServeRequest
    from pipelines._serve.server import serve as run

    run(ServeRequest(**options))
    return 0
