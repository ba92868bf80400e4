"""The page of a search."""

import re
from pathlib import Path

from pipelines._search.charts import axis_chart, history_chart, importance_chart
from pipelines._search.page import write_page
from pipelines._search.results import COMPLETE, FAILED, PRUNED, Result, Summary
from pipelines._search.space import parse_axis

LR, LOSS = parse_axis("train.lr", "1e-4..1e-2", 0.003), parse_axis("train.loss", "ce|<b>", "ce")
RESULTS = (
    Result(0, COMPLETE, {"train.lr": 0.001, "train.loss": "ce"}, 0.4),
    Result(1, PRUNED, {"train.lr": 0.0001, "train.loss": "<b>"}, None, ((10, 0.3), (20, 0.1))),
    Result(
        2, FAILED, {"train.lr": 0.01, "train.loss": "ce"}, None, reason="the loss is not finite"
    ),
    Result(3, COMPLETE, {"train.lr": 0.01, "train.loss": "ce"}, 0.5),
)


def circles(chart: str) -> list[tuple[str, float, float]]:
    """Return state and place of the marks of a chart."""
    found = re.findall(r'<circle class="(\w+)" cx="([\d.]+)" cy="([\d.]+)"', chart)
    return [(state, float(x), float(y)) for state, x, y in found]


def test_a_mark_is_as_high_as_its_score() -> None:
    marks = circles(history_chart(RESULTS))
    assert [state for state, *_ in marks] == ["complete", "pruned", "complete"]
    (_, _, first), (_, _, pruned), (_, _, best) = marks
    assert best < first < pruned  # y grows downwards; the pruned one has its best validation
    assert abs((pruned - first) - (first - best)) < 0.2  # 0.3, 0.4, 0.5


def test_the_marks_of_a_wide_range_lie_on_a_logarithmic_axis() -> None:
    places = {round(x) for _, x, _ in circles(axis_chart(LR, RESULTS))}
    low, middle, high = sorted(places)
    assert abs((middle - low) - (high - middle)) <= 1


def test_bars_are_as_long_as_the_shares() -> None:
    widths = re.findall(r'width="([\d.]+)"', importance_chart({"a": 0.75, "b": 0.25}))
    assert float(widths[0]) == 3 * float(widths[1])


def test_the_page_loads_nothing_and_shows_every_trial(tmp_path: Path) -> None:
    spaces = {"train.lr": LR.text, "train.loss": LOSS.text}
    summary = Summary("mine", "f00", spaces, (0,), RESULTS, 0, {"train.lr": 0.8, "train.loss": 0.2})
    write_page(tmp_path / "search.html", summary, (LR, LOSS))
    text = (tmp_path / "search.html").read_text()
    assert not re.search(r"(src|href)=|url\(|@import|https?:", text)
    assert "The best of 4 trials is trial 3" in text
    assert "the loss is not finite" in text
    assert "ended at step 20" in text
    assert "<b>" not in text
    assert text.count("<tr") == 1 + len(RESULTS)


def test_a_search_without_scores_has_a_page(tmp_path: Path) -> None:
    summary = Summary("mine", "f00", {"train.lr": LR.text}, (0,), RESULTS[2:3], None)
    write_page(tmp_path / "search.html", summary, (LR,))
    assert "No trial is complete yet" in (tmp_path / "search.html").read_text()
