"""The parser of commands that are not stages, and the types of their arguments."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from ocrnet.errors import ParamsError
from pipelines._command.secrets import hide_secrets

LONGEST_PART = 255  # of a path, in bytes, as file systems take it
LONGEST_PATH = 4000


class Parser(argparse.ArgumentParser):
    """Parser that reports a wrong argument in one line, as a stage reports a wrong parameter."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the command line; refuse `--option=--`, which argparse turns into an empty list."""
        for word in sys.argv[1:] if args is None else args:
            if word.startswith("-") and word.endswith("=--"):
                self.error(f"argument {word[:-3]}: expected one argument")
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        told = " ".join(hide_secrets(message).split())
        told = told.encode(errors="backslashreplace").decode()  # a name that is not UTF-8
        raise ParamsError(f"{told}. See: {self.prog} --help")


def path_argument(text: str) -> Path:
    """Return a path that a file system accepts and a message can show in one line.

    Raises:
        argparse.ArgumentTypeError: the text is empty, too long for a path, or holds unprintable characters.
    """
    parts = os.fsencode(text).split(b"/")
    if not text or len(text) > LONGEST_PATH or max(map(len, parts)) > LONGEST_PART:
        raise argparse.ArgumentTypeError(f"a path of {len(text)} characters is none")
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!a}: a path of printable characters is expected")
    return Path(text)
