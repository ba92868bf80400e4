"""The gate's decision: its checks, their figures, and both as a text table."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ocrnet.config.evaluation import METRICS, MIOU
from ocrnet.evaluation.bootstrap import Interval
from ocrnet.evaluation.intervals import shortage_words

Rule = Literal[">", ">=", "<="]
Kind = Literal["points", "share", "ratio", "answer", "count"]
ROUNDING = 1e-9  # 0.70 - 0.65 is a little more than 0.05 in floating point


@dataclass(frozen=True)
class Check:
    """One condition: the value found and the allowed values.

    Args:
        name: Name of the quantity, such as `IoU crack`.
        found: Value found: a difference, a share, a ratio, a number, or 1 for yes and 0 for no.
        rule: Required relation of `found` to `allowed`.
        allowed: Limit of the value.
        kind: Unit for the text.
    """

    name: str
    found: float
    rule: Rule
    allowed: float
    kind: Kind

    @property
    def passed(self) -> bool:
        """Whether the condition holds; nan never passes."""
        if self.rule == ">":
            return self.found > self.allowed
        if self.rule == ">=":
            return self.found >= self.allowed - ROUNDING
        return self.found <= self.allowed + ROUNDING

    @property
    def words(self) -> str:
        """The text of the check, such as `IoU crack: -7.0 points, allowed >= -5.0 points`."""
        return f"{self.name}: {_show(self.found, self.kind)}, allowed {self.limit}"

    @property
    def limit(self) -> str:
        """The text of the allowed values."""
        return f"{self.rule} {_show(self.allowed, self.kind)}"


@dataclass(frozen=True)
class Decision:
    """The gate's decision.

    Args:
        checks: Conditions, all of which must hold.
        figures: Values that the checks are based on, ready for JSON.
    """

    checks: tuple[Check, ...]
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def promote(self) -> bool:
        """Whether the challenger becomes the champion."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The texts of the conditions that do not hold; empty if the challenger is promoted."""
        return tuple(check.words for check in self.checks if not check.passed)

    def to_text(self) -> str:
        """Return the checks as a text table."""
        rows = [("check", "found", "allowed", "")]
        rows += [
            (check.name, _show(check.found, check.kind), check.limit, "" if check.passed else "no")
            for check in self.checks
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [
            f"{name:{widths[0]}}  {found:>{widths[1]}}  {limit:<{widths[2]}}  {word}".rstrip()
            for name, found, limit, word in rows
        ]
        return "\n".join([*lines, "", *_notes(self.figures)])

    def in_words(self) -> dict[str, str]:
        """Return the deciding score with its interval in percent, by its name."""
        unit = self.figures["bootstrap"]["unit"]
        key = f"{_metric(self.figures)}_difference"
        difference = self.figures.get(key)
        if difference is not None:
            return {key: interval_words(difference, signed=True, unit=unit)}
        return {"miou": interval_words(self.figures["miou"], unit=unit)}

    def to_json(self) -> dict[str, Any]:
        """Return the decision for a JSON file."""
        checks = [
            {"name": check.name, "found": finite(check.found), "rule": check.rule,
             "allowed": check.allowed, "passed": check.passed}
            for check in self.checks
        ]  # fmt: skip
        return {"promote": self.promote, "checks": checks, "figures": self.figures}


def _metric(figures: Mapping[str, Any]) -> str:
    """Return the score that decides; a first model is held to least scores of the mIoU whatever decides later."""
    return str(figures.get("metric", MIOU))


def _notes(figures: Mapping[str, Any]) -> list[str]:
    if not figures:
        return []
    challenger, champion = figures["challenger"], figures.get("champion")
    drawn = figures["bootstrap"]
    basis = f"{figures['images']} test images: {basis_words(drawn)}"
    if champion is None:
        return [
            f"{challenger['name']}: mIoU {interval_words(figures['miou'], unit=drawn['unit'])} %; {basis}"
        ]
    metric = _metric(figures)
    points = interval_words(figures[f"{metric}_difference"], signed=True, unit=drawn["unit"])
    return [
        f"{challenger['name']}: {METRICS[metric]} {_show(challenger[metric], 'share')}; "
        f"{champion['name']}, the champion: {_show(champion[metric], 'share')}; difference {points} points",
        basis,
    ]


def basis_words(drawn: Mapping[str, Any]) -> str:
    """Return the basis of the interval, or the reason why there is none.

    Args:
        drawn: Entry `bootstrap` of the figures.
    """
    if drawn["units"] < drawn["least_units"]:
        return shortage_words(drawn["units"], drawn["unit"], drawn["least_units"])
    return f"{drawn['resamples']} resamples over {drawn['units']} {drawn['unit']}, seed {drawn['seed']}"


def interval_words(
    interval: Interval | Mapping[str, float | None], *, signed: bool = False, unit: str = "images"
) -> str:
    """Return a score with its interval in percent.

    Args:
        interval: Score or difference, as shares; ends that are nan or None are missing.
        signed: Whether values above zero get a plus sign.
        unit: Unit in the text for a missing interval, `images` or `groups`.

    Examples:
        >>> interval_words({"value": 0.02, "low": 0.01, "high": 0.034}, signed=True)
        '+2.0 [+1.0, +3.4]'
    """
    parts = vars(interval) if isinstance(interval, Interval) else interval
    sign = "+" if signed else ""
    value, low, high = (
        "-" if part is None or not math.isfinite(part) else f"{100 * part:{sign}.1f}"
        for part in (parts[name] for name in ("value", "low", "high"))
    )
    return (
        f"{value} [too few {unit}]" if low == "-" and value != "-" else f"{value} [{low}, {high}]"
    )


def finite(value: float) -> float | None:
    """Return the value, or None if it is not finite, because JSON has no such numbers."""
    return value if math.isfinite(value) else None


def _show(value: float, kind: Kind) -> str:
    if kind == "answer":
        return "yes" if value else "no"
    if not math.isfinite(value):
        return "unknown"
    if kind == "count":
        return f"{value:.0f}"
    if kind == "points":
        return f"{100 * value:+.2f} points"
    return f"{100 * value:.1f} %" if kind == "share" else f"{value:.2f} x"
