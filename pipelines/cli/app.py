"""The command `ocrnet`: its verbs, its version, and what it does with errors.

A verb is a file of this package with a function of its name and a line in `VERBS`. Only the verb that runs is imported,
and a verb imports what it needs when it runs: help, version and completion take a fraction of a second.

Tab completion: `eval "$(_OCRNET_COMPLETE=bash_source ocrnet)"`; zsh_source and fish_source are for other shells.
"""

import sys
import tomllib
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from ocrnet.errors import ParamsError
from pipelines._command.exit_codes import command

NAME = "ocrnet"
VERBS = {
    "init": "Look at a folder of images and write a set of params for it.",
    "search": "Search for better params by validation scores.",
    "predict": "Write label maps of images, folders and videos by a trained model.",
    "drift": "Tell whether new images are like those that a model was trained on.",
    "next": "Tell which images to label next, or which labels are likely wrong.",
    "serve": "Serve models as a page and as an HTTP interface.",
    "export": "Write a trained model as ONNX or torch.export, and hold it against the model.",
}
_PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


class Verbs(click.Group):
    """The verbs, which are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb; None if there is none of this name."""
        if cmd_name not in VERBS:
            return None
        found: click.Command = getattr(import_module(f"pipelines.cli.{cmd_name}"), cmd_name)
        return found


def read_version() -> str:
    """Return the version of the project: of this checkout, or of the installed package."""
    if _PROJECT.is_file():
        return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])
    try:
        return version(NAME)
    except PackageNotFoundError:
        return "unknown"


@click.group(
    cls=Verbs, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(version=read_version(), prog_name=NAME)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Segmentation models from a few labelled images."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command(NAME)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        result = cli.main(
            args=list(sys.argv[1:] if argv is None else argv), prog_name=NAME, standalone_mode=False
        )
    except click.ClickException as error:
        place = getattr(error, "ctx", None)
        words = " ".join(error.format_message().split()).removesuffix(".")
        raise ParamsError(f"{words}. See: {place.command_path if place else NAME} --help") from None
    except click.Abort:
        return 130
    return result if isinstance(result, int) else 0
