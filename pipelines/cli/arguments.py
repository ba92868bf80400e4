"""Types of arguments that several verbs have."""

import argparse
import os
import re
from typing import Any

import click
from click.shell_completion import CompletionItem

from pipelines._command.arguments import path_argument

SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class SafePath(click.Path):
    """A path that a file system accepts and a message can show in one line."""

    def convert(
        self,
        value: "str | os.PathLike[str]",
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return the path; refuse one that is empty, too long or unprintable."""
        try:
            return path_argument(os.fspath(value))
        except argparse.ArgumentTypeError as error:
            self.fail(str(error), param, ctx)


out_option = click.option(
    "-o", "--out", type=SafePath(), required=True, metavar="OUT", help="Folder for the outputs."
)
device_option = click.option(
    "--device",
    metavar="DEVICE",
    help="Device: cpu, cuda or cuda:N (default: CUDA if there is a GPU).",
)


class SourceName(click.ParamType[str]):
    """The name of a source of raw data."""

    name = "source"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name; refuse one that is not in the table of sources."""
        known = _sources()
        if value not in known:
            self.fail(f"{value!r} is unknown. Known: {', '.join(known)}", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the sources that begin with what was typed."""
        return [CompletionItem(name) for name in _sources() if name.startswith(incomplete)]


class SetName(click.ParamType[str]):
    """The name of a new set, which becomes a file name and a part of the model's name."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name; refuse one with other characters than letters, digits, - and _."""
        if not SET_NAME.fullmatch(str(value)):
            self.fail(f"found {value!a}. Use 1 to 64 letters, digits, - and _", param, ctx)
        return value


def _sources() -> list[str]:
    from ocrnet.raw.sources import SOURCES  # imports the params

    return list(SOURCES)
