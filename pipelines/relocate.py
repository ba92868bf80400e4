"""After a checkout was moved or copied: let its `mlflow.db` name the artifacts that lie in it now.

`python -m pipelines.relocate` rewrites the places that MLflow keeps as absolute paths. A copy has artifacts of its own
from then on; the original is not touched. End `make servers` first.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines._command.run import command
from pipelines._mlflow.place import ARTIFACTS, relocate
from pipelines._mlflow.target import find_target


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return argparse.ArgumentParser(prog="python -m pipelines.relocate", description=__doc__)


@command("relocate")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    parser().parse_args(argv)
    file = find_target().sqlite_file or Path("mlflow.db")
    changed = relocate(file, ARTIFACTS)
    for old, count in changed.items():
        print(f"relocate: {count} places in {file}: {old} is {ARTIFACTS.resolve()} now")
    if not changed:
        print(f"relocate: {file} names the artifacts of this checkout already")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
