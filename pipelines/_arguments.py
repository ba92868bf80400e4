"""The parser of a command beside the stages."""

import argparse
from typing import NoReturn

from ocrnet.errors import ParamsError


class Parser(argparse.ArgumentParser):
    """Tells a wrong argument in one line, as a stage tells a wrong parameter."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise ParamsError(f"{message}. See: {self.prog} --help")
