"""The page of a search: one HTML file that loads nothing."""

from collections.abc import Sequence
from pathlib import Path

from ocrnet.data.files import write_whole
from ocrnet.report.pages import fill_page
from pipelines._search.charts import charts_of
from pipelines._search.results import Summary
from pipelines._search.space import Axis

TEMPLATE = Path(__file__).with_name("page.html.j2")


def write_page(path: Path, summary: Summary, axes: Sequence[Axis]) -> None:
    """Write history, importance, the scores by each key and the table of trials."""
    charts = charts_of(summary, axes)
    page = fill_page(TEMPLATE, summary=summary, best=summary.best, charts=charts)
    write_whole(path, page)
