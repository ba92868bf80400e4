"""Print the ledger of promotions, the newest entry first: `python -m pipelines.ledger`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ocrnet.config.evaluation import METRICS, MIOU
from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import command

if TYPE_CHECKING:
    from pipelines._mlflow.promotion_ledger import LedgerEntry

COLUMNS = ("entry", "when", "who", "what", "from", "to", "state", "mIoU (%)", "why")


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = Parser(prog="python -m pipelines.ledger", description="Print who promoted what.")
    found.add_argument("--model", help="Name of the registered model (default: publish.model_name)")
    return found


def describe(entries: "Sequence[LedgerEntry]") -> str:
    """Return the ledger as a table; its column "why" has the given reason, those of the gate, and the entry's end."""
    if not entries:
        return "No promotion yet. `python -m pipelines.promote --first` makes the first one."
    rows = [COLUMNS, *(_row(entry) for entry in reversed(entries))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(entry: "LedgerEntry") -> tuple[str, ...]:
    tags = entry.tags
    why = [tags.get(name, "").replace("\n", "; ") for name in ("reason", "reasons", "note")]
    return (
        str(entry.number), tags["at"], tags["by"], entry.kind, entry.champion or "-", entry.to or "-",
        entry.state, _score(tags), "; ".join(filter(None, why)),
    )  # fmt: skip


def _score(tags: Mapping[str, str]) -> str:
    """Return the deciding score; one that is no mIoU has its name before it."""
    for key, word in METRICS.items():
        found = tags.get(f"{key}_difference")
        if found:
            return found if key == MIOU else f"{word} {found}"
    return tags.get(MIOU) or "-"


@command("ledger")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    given = parser().parse_args(argv)
    from pipelines._mlflow.promotion import history

    print(describe(history(model=given.model)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
