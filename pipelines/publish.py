"""Stage `publish`: send every run that MLflow does not hold yet and register the challenger; nothing twice.

Run by DVC at the end of every `dvc repro` (`always_changed`), or by hand after a tracking server was away.
"""

import sys
from collections.abc import Sequence

from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import command
from pipelines._mlflow.publish import publish


@command("publish")
def main(argv: Sequence[str] = ()) -> int:
    """Publish and return the exit code."""
    words = (__doc__ or "").partition("\n\n")[0]
    Parser(prog="python -m pipelines.publish", description=words).parse_args(argv)
    return publish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
