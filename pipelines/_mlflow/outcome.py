"""What a promotion is asked, what it proposes, and what came of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocrnet.errors import GateError

from .ledger import ALIAS as CHALLENGER

if TYPE_CHECKING:
    from ocrnet.gate.decision import Decision

    from .versions import Version


@dataclass(frozen=True)
class PromoteOptions:
    """What to promote and how.

    Args:
        version: a number or an alias.
        model: the registered model; by default that of the params.
        first: ask for a first model, which is held against least scores.
        dry_run: decide, and change nothing.
        device: auto, cpu or a CUDA device; both are timed where there are both.
        reason: of the promotion, for the ledger.
        params: the file.
        prepared: today's data.
    """

    version: str = CHALLENGER
    model: str | None = None
    first: bool = False
    dry_run: bool = False
    device: str = "auto"
    reason: str = ""
    params: Path = Path("params.yaml")
    prepared: Path = Path("data/prepare")


@dataclass(frozen=True)
class Proposal:
    """A challenger that the gate has judged, before any alias moves.

    Args:
        champion: the version in force when it was judged.
        previous: the one under that alias then.
        decision: None where the challenger is the champion already.
        notes: lines about what was found unfinished, or repaired.
    """

    challenger: "Version"
    champion: str | None
    previous: str | None
    decision: "Decision | None"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Args:
        moved: whether aliases were moved.
        champion: the version in force before.
        to: the version that was promoted, or would be, or was refused.
        decision: of the gate; None for a rollback, and where nothing was to decide.
        entry: the number in the ledger, None where nothing was written.
        notes: lines about it, for people.
    """

    model: str
    moved: bool
    champion: str | None
    to: str
    decision: "Decision | None"
    entry: int | None
    notes: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether the gate had no objection, or was not asked."""
        return self.decision is None or self.decision.promote

    @property
    def exit_code(self) -> int:
        """That of the command."""
        return 0 if self.accepted else GateError.exit_code

    def to_text(self) -> str:
        """Return the table and the notes."""
        table = [self.decision.to_text(), ""] if self.decision else []
        return "\n".join([*table, *self.notes])
