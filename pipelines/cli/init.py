"""`ocrnet init PATH`: look at a folder of images and at this machine, and write a set of params for both."""

from pathlib import Path

import click

from pipelines.cli.arguments import SafePath, SetName, SourceName


@click.command(short_help="Look at a folder of images and write a set of params for it.")
@click.argument("path", type=SafePath(file_okay=False))
@click.option(
    "--name", type=SetName(), metavar="NAME", help="Name of the set (default: that of the folder)."
)
@click.option(
    "--source",
    type=SourceName(),
    metavar="SOURCE",
    help="Source that reads the folder (default: by its layout).",
)
@click.option("--force", is_flag=True, help="Replace params/NAME.yaml if it exists.")
@click.option(
    "--timing/--no-timing", default=True, show_default=True,
    help="Run a few steps of both trainings, to say how long a run takes.",
)  # fmt: skip
def init(path: Path, name: str | None, source: str | None, force: bool, timing: bool) -> int:
    """Write params/NAME.yaml for the images in the folder PATH and for this machine.

    Each value has its reason in a comment. The file is checked like the stages validate and prepare check it, and it
    is not written if they would refuse the set. The word demo as PATH means the set that the project renders.
    """
    from pipelines.cli._init_set import InitRequest, init_set  # pandas and torch

    init_set(InitRequest(path, name, source, force=force, with_timing=timing))
    return 0
