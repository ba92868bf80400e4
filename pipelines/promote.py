"""Promote the challenger where the gate agrees: `python -m pipelines.promote --dry-run`.

Scores challenger and champion on today's test split, prints what the gate found, and moves `champion` and `previous`.
Exit codes: 0 promoted (or would be), 2 params or arguments, 3 data or bundle, 4 refused, 1 MLflow is away.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import command
from pipelines._mlflow.promotion_result import PromoteOptions


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    default = PromoteOptions()
    found = Parser(prog="python -m pipelines.promote", description="Promote a registered version.")
    found.add_argument(
        "--version",
        default=default.version,
        help="Number or alias of the version (default: challenger)",
    )
    found.add_argument("--model", help="Name of the registered model (default: publish.model_name)")
    found.add_argument(
        "--first",
        action="store_true",
        help="Promote the first champion, by least scores in place of a comparison",
    )
    found.add_argument("--dry-run", action="store_true", help="Print the table and change nothing")
    found.add_argument(
        "--device",
        default=default.device,
        help="Device that scores; auto takes CUDA where there is one (default: auto)",
    )
    found.add_argument("--reason", default="", help="Reason of the promotion, for the ledger")
    return found


@command("promote")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    # As in `_stage`: read when torch is first imported; spinning threads distort timings on a busy machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    given = parser().parse_args(argv)
    from pipelines._mlflow.promotion import promote

    outcome = promote(PromoteOptions(**vars(given)))
    print(outcome.to_text())
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
