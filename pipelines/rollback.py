"""Put the champion before back in force: `python -m pipelines.rollback --reason "misses cracks on line 3"`."""

import argparse
import sys
from collections.abc import Sequence

from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import command


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = Parser(
        prog="python -m pipelines.rollback", description="Swap champion and previous, at once."
    )
    found.add_argument("--model", help="Name of the registered model (default: publish.model_name)")
    found.add_argument("--reason", default="", help="Reason of the rollback, for the ledger")
    return found


@command("rollback")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    given = parser().parse_args(argv)
    from pipelines._mlflow.promotion import rollback

    outcome = rollback(model=given.model, reason=given.reason)
    print(outcome.to_text())
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
