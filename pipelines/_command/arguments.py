"""The parser of commands that are not stages, and the types of their arguments."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from ocrnet.errors import ParamsError
from pipelines._command.secrets import hide_secrets

LONGEST_PART = 255  # bytes in one name of a path: the limit of file systems
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
        line = " ".join(hide_secrets(message).split())
        line = line.encode(errors="backslashreplace").decode()  # a name that is not UTF-8
        raise ParamsError(f"{line}. See: {self.prog} --help")


def path_argument(text: str) -> Path:
    """Return a path that a file system accepts and a message can show in one line.

    Raises:
        argparse.ArgumentTypeError: The text is empty, too long for a path, or holds unprintable characters.
    """
    parts = os.fsencode(text).split(b"/")
    if not text or len(text) > LONGEST_PATH or max(map(len, parts)) > LONGEST_PART:
        raise argparse.ArgumentTypeError(
            f"found a path of {len(text)} characters. Give 1 to {LONGEST_PATH}, and at most {LONGEST_PART} bytes a name"
        )
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"found {text!a}. Give a path of printable characters")
    return Path(text)
