"""How a command ends: with its exit code, and an error in lines that name the command."""

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import ParamSpec

from ocrnet.errors import OcrnetError
from ocrnet.errors.machine import machine_error
from pipelines._command.secrets import hide_secrets

P = ParamSpec("P")


def command(name: str) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Return a decorator that makes a function return an exit code where an error stops it, too.

    Args:
        name: Name of the command, which begins each line.
    """

    def with_exit_code(main: Callable[P, int]) -> Callable[P, int]:
        @wraps(main)
        def run(*args: P.args, **kwargs: P.kwargs) -> int:
            try:
                return main(*args, **kwargs)
            except Exception as error:
                return tell(error, name)

        return run

    return with_exit_code


def tell(error: Exception, name: str) -> int:
    """Print an error without secrets and return its exit code; a bug is raised again.

    Args:
        error: Error that ended a command.
        name: Name of the command, which begins each line.
    """
    told = machine_error(error) or error
    if not isinstance(told, OcrnetError):
        raise error
    with suppress(OSError):  # the terminal may be gone
        for line in hide_secrets(str(told)).splitlines():
            print(f"{name}: {line}", file=sys.stderr)
    return told.exit_code
