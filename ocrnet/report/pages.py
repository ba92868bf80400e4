"""Pages of one HTML file, from templates that lie beside the code which fills them."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def fill_page(template: Path, **values: Any) -> str:
    """Return the text of a page; texts are escaped, and a name without a value is an error.

    Args:
        template: Path of the template.
        values: Value of each name in the template.
    """
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(**values)
