"""`params.yaml` as the tests mean it, whatever set and numbers a project has in force."""

from pathlib import Path

from pipelines._edit_params import write_values
from pipelines.activate import activate_set
from tests.base_params import full_values


def reset_params(path: Path) -> Path:
    """Put the values that tests start from, and then the demo set, in force; comments stay."""
    write_values(path, full_values({}), place="base_params.yaml")
    activate_set("demo", params=path)
    return path
