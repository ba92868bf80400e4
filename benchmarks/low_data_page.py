"""The learning curve of `benchmarks.low_data` as a page that needs nothing but itself."""

from typing import Any

from markupsafe import Markup

from ocrnet.report.curve import HEADS, curve_chart, curve_rows

STYLE = """
:root { --bg: #fff; --fg: #1c2126; --muted: #59636e; --line: #d8dee4; }
@media (prefers-color-scheme: dark) { :root { --bg: #14181d; --fg: #e4e8ec; --muted: #9aa5b1; --line: #333c46; } }
body { margin: 0 auto; max-width: 860px; padding: 24px 20px; background: var(--bg); color: var(--fg);
  font: 15px/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.35rem; font-weight: 600; } .muted { color: var(--muted); font-size: .9rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 14px 5px 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child { text-align: left; } thead th { color: var(--muted); font-weight: 500; }
.chart { width: 100%; max-width: 720px; height: auto; display: block; margin: 12px 0 20px; }
.chart text { font-size: 11.5px; fill: var(--muted); } .chart text.x { text-anchor: middle; }
.chart text.y { text-anchor: end; } .chart .grid { stroke: var(--line); }
.chart .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
"""


def make_page(curve: dict[str, Any]) -> str:
    """Return the page of a curve as `low_data_curve.curve_of` gives it."""
    rows = [_row(arm, cells) for arm, cells in curve_rows(curve)]
    told = [
        Markup("<p><b>{:g} % of the training images.</b> {}</p>").format(100 * float(share), words)
        for share, words in curve["answers"].items()
    ]
    head = Markup("").join(Markup("<th scope='col'>{}</th>").format(name) for name in HEADS)
    return str(
        Markup(
            "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width, initial-scale=1'>"
            "<title>Learning curve</title><style>{}</style></head><body>\n"
            "<h1>Test mIoU by share of the training images</h1>\n{}\n{}\n"
            "<p class='muted'>Mean over seeds; every arm has the same steps, batch size, schedule and initial weights. "
            "Whether an arm is better is told by the paired differences above, not by whether these intervals overlap."
            "</p>\n"
            "<table><thead><tr>{}</tr></thead><tbody>\n{}\n</tbody></table>\n</body></html>\n"
        ).format(
            Markup(STYLE),
            Markup("\n").join(told),
            curve_chart(curve),
            head,
            Markup("\n").join(rows),
        )
    )


def _row(arm: str, cells: list[str]) -> Markup:
    told = Markup("").join(Markup("<td>{}</td>").format(cell) for cell in cells)
    return Markup("<tr><th scope='row'>{}</th>{}</tr>").format(arm, told)
