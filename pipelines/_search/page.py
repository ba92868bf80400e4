"""The page of a search: one HTML file that loads nothing."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ocrnet.data.files import write_whole
from pipelines._search.charts import charts_of
from pipelines._search.results import Summary
from pipelines._search.space import Axis

TEMPLATE = "page.html.j2"


def write_page(path: Path, summary: Summary, axes: Sequence[Axis]) -> None:
    """Write history, importance, the scores by each key and the table of trials."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    charts = charts_of(summary, axes)
    page = environment.get_template(TEMPLATE).render(
        summary=summary, best=summary.best, charts=charts
    )
    write_whole(path, page)
