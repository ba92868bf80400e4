"""Tables in Markdown."""

from collections.abc import Sequence


def markdown_table(rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Return rows as a table, the first as its head; the columns after the first `left` ones hold numbers."""
    rule = ["---"] * left + ["---:"] * (len(rows[0]) - left)
    return "\n".join(f"| {' | '.join(line)} |" for line in [rows[0], rule, *rows[1:]])
