"""Turn the errors of a command into an exit code and lines that name the command."""

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
    """Return a decorator: if an error stops the function, print the error and return its exit code.

    Args:
        name: Name of the command, which begins each line.
    """

    def with_exit_code(main: Callable[P, int]) -> Callable[P, int]:
        @wraps(main)
        def run(*args: P.args, **kwargs: P.kwargs) -> int:
            try:
                return main(*args, **kwargs)
            except Exception as error:
                return report_error(error, name)

        return run

    return with_exit_code


def report_error(error: Exception, name: str) -> int:
    """Print an error without secrets and return its exit code; a bug is raised again.

    Args:
        error: Error that ended a command.
        name: Name of the command, which begins each line.
    """
    shown = machine_error(error) or error
    if not isinstance(shown, OcrnetError):
        raise error
    with suppress(OSError):  # the terminal may be gone
        for line in hide_secrets(str(shown)).splitlines():
            print(f"{name}: {line}", file=sys.stderr)
    return shown.exit_code
