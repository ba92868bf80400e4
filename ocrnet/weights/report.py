"""The result of loading a file, as fields and as lines of a log."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 3  # names per line; the fields have all names


@dataclass(frozen=True)
class LoadReport:
    """The result of loading a file. Names are the model's, except in `unexpected`.

    Args:
        path: Path of the file.
        format: Program that wrote it: official, openseg, mmseg, nvidia, ours, or backbone for a backbone alone.
        total: Number of entries of the model, without counters of batches.
        loaded: Entries with values from the file.
        renamed: (name in the file, name in the model) of entries with another name in the file.
        converted: (name, conversion) of entries with converted values.
        left_out: Classifiers with another number of classes.
        missing: Entries that keep their values because the file has nothing for them.
        unexpected: Names in the file that the model does not have.
        warnings: Reasons why the outputs differ from the network that the weights were trained in.
    """

    path: str
    format: str
    total: int
    loaded: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    converted: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    warnings: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the report without its warnings, one line per kind."""
        how = Counter(what for _, what in self.converted)
        return [
            f"{self.path}: {self.format}, {len(self.loaded)} of {self.total} entries loaded",
            _line("renamed", [f"{theirs} -> {ours}" for theirs, ours in self.renamed]),
            _line(
                "converted",
                [f"{what}: {count}" for what, count in how.items()],
                len(self.converted),
            ),
            _line("left out", self.left_out),
            _line("missing", self.missing),
            _line("unexpected", self.unexpected),
        ]

    def __str__(self) -> str:
        """Return the lines and the warnings as one text."""
        warnings = (f"  warning     {warning}" for warning in self.warnings)
        return "\n".join([*self.lines(), *warnings])


def _line(kind: str, items: Sequence[str], count: int | None = None) -> str:
    shown = ", ".join(items[:SHOWN]) + (", ..." if len(items) > SHOWN else "")
    return f"  {kind:<10}  {len(items) if count is None else count:>4}  {shown}".rstrip()
