"""Let `mlflow.db` name the artifacts of this checkout after the checkout was moved or copied.

`python -m pipelines.relocate` rewrites the absolute paths that MLflow stores. From then on a copy has artifacts of its
own; the original does not change. Stop `make servers` first.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines._command.exit_codes import command
from pipelines._mlflow.address import find_address
from pipelines._mlflow.local_artifacts import ARTIFACTS, relocate


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return argparse.ArgumentParser(prog="python -m pipelines.relocate", description=__doc__)


@command("relocate")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    parser().parse_args(argv)
    file = find_address().sqlite_file or Path("mlflow.db")
    changed = relocate(file, ARTIFACTS)
    for old, count in changed.items():
        print(f"relocate: changed {count} paths in {file} from {old} to {ARTIFACTS.resolve()}")
    if not changed:
        print(f"relocate: {file} already names the artifacts of this checkout")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
