"""Charts as inline SVG, with the CSS colours of the page, so that they follow its light or dark mode."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ocrnet.evaluation.bootstrap import Interval

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 44
LEGEND = 17  # height of a line of the legend, which is above the frame so that it hides no data


@dataclass(frozen=True)
class Series:
    """A line of a chart.

    Args:
        name: Name in the legend.
        colour: CSS colour, such as `var(--new)`.
        points: Points (x, y) with rising x.
        sizes: Radius of the mark of each point; empty for no marks.
    """

    name: str
    colour: str
    points: tuple[tuple[float, float], ...]
    sizes: tuple[float, ...] = ()


@dataclass(frozen=True)
class Axes:
    """Labels and ranges of a chart's axes; a range of None spans zero and the data."""

    title: str
    x: str
    y: str
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    diagonal: bool = False


def line_chart(series: Sequence[Series], axes: Axes) -> Markup:
    """Draw lines over common axes, with a legend above them."""
    points = [point for one in series for point in one.points]
    if not points:
        return Markup("<p class='muted'>Nothing was logged.</p>")
    x_low, x_high = axes.x_range or (0.0, max(x for x, _ in points))
    y_low, y_high = axes.y_range or (min(0.0, *(y for _, y in points)), max(y for _, y in points))
    y_ticks = nice_ticks(y_low, y_high)
    x_ticks = nice_ticks(x_low, x_high)
    frame = _Frame((x_low, max(x_high, x_ticks[-1])), (y_low, max(y_high, y_ticks[-1])))
    parts = [_grid(frame, x_ticks, y_ticks, axes)]
    if axes.diagonal:
        parts.append(
            Markup('<path class="diagonal" d="{}"/>').format(
                frame.path([(x_low, y_low), (x_high, y_high)])
            )
        )
    parts += [_line(frame, one) for one in series]
    above = LEGEND * len(series)
    parts += [_legend(LEGEND * i - above, one) for i, one in enumerate(series)]
    return Markup(
        '<svg class="chart" viewBox="0 {} {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(-above, WIDTH, HEIGHT + above, axes.title, Markup("").join(parts))


def interval_chart(interval: Interval, limit: float) -> Markup:
    """Draw a difference with its interval on a scale from -`limit` to `limit`, zero in the middle."""
    if math.isnan(interval.value):
        return Markup("")
    width, height = 150, 20

    def x(value: float) -> str:
        clipped = max(-1.0, min(1.0, value / limit if limit > 0 else 0.0))
        return f"{(1 + clipped) * (width - 8) / 2 + 4:.1f}"

    middle = f'<circle cx="{x(interval.value)}" cy="10" r="4"/></svg>'
    if math.isnan(interval.low):  # too few images: a point without whiskers
        return Markup(
            '<svg class="interval open" viewBox="0 0 {} {}" aria-hidden="true"><path class="zero" d="M{} 0V20"/>'
        ).format(width, height, x(0.0)) + Markup(middle)
    tone = "up" if interval.low > 0 else "down" if interval.high < 0 else "open"
    return Markup(
        '<svg class="interval {}" viewBox="0 0 {} {}" aria-hidden="true">'
        '<path class="zero" d="M{} 0V20"/><path class="whisker" d="M{} 10H{}"/>'
    ).format(tone, width, height, x(0.0), x(interval.low), x(interval.high)) + Markup(middle)


def nice_ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Return about `count` round numbers that span the range.

    Examples:
        >>> nice_ticks(0.0, 0.93)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = high - low or 1.0
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(power * unit for unit in (1, 2, 5, 10) if power * unit * count >= span * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil((low + span) / step - 1e-9)
    return [round(i * step, 10) for i in range(first, max(last, first + 1) + 1)]


@dataclass(frozen=True)
class _Frame:
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        low, high = self.x_range
        return LEFT + (value - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return HEIGHT - BOTTOM - (value - low) / ((high - low) or 1) * (HEIGHT - TOP - BOTTOM)

    def path(self, points: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)


def _grid(frame: _Frame, x_ticks: Sequence[float], y_ticks: Sequence[float], axes: Axes) -> Markup:
    parts = [
        Markup('<path class="grid" d="M{} {:.1f}H{}"/><text class="y" x="{}" y="{:.1f}">{}</text>')
        .format(LEFT, frame.y(tick), WIDTH - RIGHT, LEFT - 6, frame.y(tick) + 4, f"{tick:g}")
        for tick in y_ticks
    ]  # fmt: skip
    parts += [
        Markup('<text class="x" x="{:.1f}" y="{}">{}</text>').format(
            frame.x(tick), HEIGHT - BOTTOM + 16, f"{tick:g}"
        )
        for tick in x_ticks
    ]
    middle_x, middle_y = (WIDTH + LEFT - RIGHT) / 2, (HEIGHT + TOP - BOTTOM) / 2
    parts.append(
        Markup(
            '<text class="x" x="{}" y="{}">{}</text>'
            '<text class="x" transform="translate(13 {}) rotate(-90)">{}</text>'
        ).format(middle_x, HEIGHT - 6, axes.x, middle_y, axes.y)
    )
    return Markup("").join(parts)


def _line(frame: _Frame, series: Series) -> Markup:
    marks = [
        Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}" fill="{}"/>').format(
            frame.x(x), frame.y(y), size, series.colour
        )
        for (x, y), size in zip(series.points, series.sizes, strict=False)
    ]
    path = Markup('<path class="line" stroke="{}" d="{}"/>').format(
        series.colour, frame.path(series.points)
    )
    return path + Markup("").join(marks)


def _legend(top: int, series: Series) -> Markup:
    y = top + LEGEND - 4
    return Markup(
        '<path class="line" stroke="{}" d="M{} {}h18"/><text x="{}" y="{}">{}</text>'
    ).format(series.colour, LEFT, y - 4, LEFT + 24, y, series.name)
