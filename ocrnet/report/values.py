"""Numbers of JSON files as text for the page; JSON has null in place of nan."""

import math
from typing import Any

from ocrnet.evaluation.bootstrap import Interval
from ocrnet.evaluation.verdict_text import percent


def interval_of(raw: dict[str, Any]) -> Interval:
    """Return an interval; null is nan."""
    return Interval(
        *(math.nan if raw[key] is None else raw[key] for key in ("value", "low", "high"))
    )


def percent_of(value: float | None) -> str:
    """Return a share as percent; null is n/a."""
    return percent(math.nan if value is None else value)


def css_colour(colour: tuple[int, int, int]) -> str:
    """Return a colour in CSS notation."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
