"""The charts of a search as inline SVG, with the CSS colours of its page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ocrnet.report.charts import nice_ticks
from pipelines._search.results import Result, Summary
from pipelines._search.space import Axis, Range

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 40
BAR, GAP = 18, 8  # height of a bar and the distance to the next one
NAMES = 170  # width of the names beside the bars
RADIUS = 3.5


@dataclass(frozen=True)
class Ticks:
    """A horizontal axis: its label, its range and the places with words.

    Args:
        label: Label of the axis.
        low: Value at the left.
        high: Value at the right.
        words: Text at each value that has one.
    """

    label: str
    low: float
    high: float
    words: Mapping[float, str]

    def x(self, value: float) -> float:
        """Return the place of a value in pixels."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return LEFT + share * (WIDTH - LEFT - RIGHT)


def history_chart(results: Sequence[Result]) -> Markup:
    """Draw the score of each trial, with a line for the best so far; a pruned trial has its best validation."""
    if not _scored(results):
        return Markup("<p class='muted'>No trial has a score.</p>")
    last = max(1, max(one.number for one in results))
    numbers = [t for t in nice_ticks(0.0, float(last)) if t <= last and t.is_integer()]
    ticks = Ticks("trial", 0, last, {t: f"{t:g}" for t in numbers})
    best: list[tuple[float, float]] = []
    for one in results:
        if one.miou is not None:
            best.append((one.number, max(one.miou, best[-1][1] if best else one.miou)))
    if best:
        best.append((last, best[-1][1]))
    points = [(float(one.number), one) for one in results]
    return _scatter(ticks, points, "Score of each trial", line=best)


def axis_chart(axis: Axis, results: Sequence[Result]) -> Markup:
    """Draw the scores over the values of one key."""
    if not _scored(results):
        return Markup("")
    if not isinstance(axis, Range):
        places = {text: float(place) for place, text in enumerate(axis.values)}
        ticks = Ticks(
            axis.key, -0.5, len(places) - 0.5, {place: text for text, place in places.items()}
        )
        points = [(places[str(axis.drawn_of(one.values[axis.key]))], one) for one in results]
        return _scatter(ticks, points, f"Score by {axis.key}")
    scale = math.log10 if axis.log else float
    low, high = scale(axis.low), scale(axis.high)
    whole = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    words = {low: f"{axis.low:g}", high: f"{axis.high:g}"}
    if axis.log:
        words |= {float(power): f"{10.0**power:g}" for power in whole}
    else:
        words = {tick: f"{tick:g}" for tick in nice_ticks(low, high) if low <= tick <= high}
    points = [(scale(one.values[axis.key]), one) for one in results]
    return _scatter(Ticks(axis.key, low, high, words), points, f"Score by {axis.key}")


def importance_chart(importance: Mapping[str, float]) -> Markup:
    """Draw the share of each key in the variance of the score as bars."""
    height = len(importance) * (BAR + GAP)
    parts = []
    for place, (key, share) in enumerate(importance.items()):
        y = place * (BAR + GAP)
        width = share * (WIDTH - NAMES - 60)
        parts.append(
            Markup(
                '<text class="y" x="{}" y="{}">{}</text><rect x="{}" y="{}" width="{:.1f}" height="{}"/>'
                '<text x="{:.1f}" y="{}">{}</text>'
            ).format(
                NAMES - 8, y + 13, key, NAMES, y, width, BAR, NAMES + width + 6, y + 13, f"{100 * share:.0f} %"
            )
        )  # fmt: skip
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="Importance">{}</svg>').format(
        WIDTH, height, Markup("").join(parts)
    )  # fmt: skip


def charts_of(summary: Summary, axes: Sequence[Axis]) -> dict[str, Any]:
    """Return the charts of a page."""
    return {
        "history": history_chart(summary.results),
        "importance": importance_chart(summary.importance) if summary.importance else None,
        "axes": [axis_chart(axis, summary.results) for axis in axes],
    }


def _scored(results: Sequence[Result]) -> list[float]:
    return [score for one in results if (score := shown_score(one)) is not None]


def shown_score(result: Result) -> float | None:
    """Return the score of a complete trial, or the best validation of another one; None if it has none."""
    if result.miou is not None:
        return result.miou
    return max((value for _, value in result.points), default=None)


def _scatter(
    ticks: Ticks, points: Sequence[tuple[float, Result]], title: str, line: Sequence[tuple[float, float]] = ()
) -> Markup:  # fmt: skip
    """Draw a mark for each trial that has a score, hollow unless the trial is complete."""
    scores = _scored([one for _, one in points])
    levels = nice_ticks(min(scores), max(max(scores), min(scores) + 0.01))
    low, high = levels[0], levels[-1]

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [
        Markup('<path class="grid" d="M{} {:.1f}H{}"/><text class="y" x="{}" y="{:.1f}">{}</text>').format(
            LEFT, y(level), WIDTH - RIGHT, LEFT - 6, y(level) + 4, f"{level:g}"
        )
        for level in levels
    ]  # fmt: skip
    parts += [
        Markup('<text class="x" x="{:.1f}" y="{}">{}</text>').format(
            ticks.x(place), HEIGHT - BOTTOM + 16, word
        )
        for place, word in ticks.words.items()
    ]
    parts.append(
        Markup('<text class="x" x="{}" y="{}">{}</text>').format(
            (WIDTH + LEFT - RIGHT) / 2, HEIGHT - 6, ticks.label
        )
    )
    if line:
        path = "L".join(f"{ticks.x(x):.1f} {y(value):.1f}" for x, value in line)
        parts.append(Markup('<path class="line" d="M{}"/>').format(path))
    parts += [
        Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"/>').format(
            one.state, ticks.x(x), y(score), RADIUS
        )
        for x, one in points
        if (score := shown_score(one)) is not None
    ]
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, title, Markup("").join(parts)
    )  # fmt: skip
