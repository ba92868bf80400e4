"""Options, proposal and result of a promotion."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocrnet.errors import GateError

from .sent_record import ALIAS as CHALLENGER

if TYPE_CHECKING:
    from ocrnet.gate.decision import Decision

    from .versions import Version


@dataclass(frozen=True)
class PromoteOptions:
    """Options of a promotion.

    Args:
        version: Number or alias of the version to promote.
        model: Name of the registered model; by default that of the params.
        first: Whether this is a first model, which is compared with minimum scores.
        dry_run: Whether to decide without a change.
        device: Name of the device: auto, cpu or a CUDA device; with CUDA the models are timed on the CPU, too.
        reason: Reason of the promotion, for the ledger.
        params: Path of `params.yaml`.
        prepared: Folder of the present prepared data.
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
    """A challenger and the gate's decision, before any alias moves.

    Args:
        champion: Number of the champion at the time of the decision.
        decision: Decision of the gate; None where the challenger is the champion already.
        notes: Lines about promotions that were found abandoned.
    """

    challenger: "Version"
    champion: str | None
    decision: "Decision | None"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PromotionResult:
    """The result of a promotion or a rollback.

    Args:
        moved: Whether aliases were moved.
        champion: Number of the champion before.
        to: Number of the version that was promoted, would be promoted, or was refused.
        decision: Decision of the gate; None for a rollback, and where the version is the champion already.
        entry: Number of the entry in the ledger; None where nothing was written.
        notes: Lines about the result, for people.
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
        """Exit code of the command."""
        return 0 if self.accepted else GateError.exit_code

    def to_text(self) -> str:
        """Return the table and the notes."""
        table = [self.decision.to_text(), ""] if self.decision else []
        return "\n".join([*table, *self.notes])
