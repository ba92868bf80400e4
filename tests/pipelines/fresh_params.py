"""`params.yaml` as the tests mean it, whatever set and numbers a project has in force."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ocrnet.config.params_file import parse_params
from pipelines._params import write_values
from pipelines.use import use_set

DATA = {"source": "demo", "path": "data/raw/demo", "classes": ["plate", "crack"]}


def reset_params(path: Path) -> Path:
    """Put the default of each key of the file, and then the demo set, in force; comments stay."""
    document: dict[str, Any] = YAML(typ="safe").load(path)
    values: dict[str, Any] = {}
    defaults = parse_params({"data": DATA}).model_dump(mode="json", by_alias=True)
    for section, default in defaults.items():
        if isinstance(default, dict):
            there = document[section]
            values |= {f"{section}.{key}": default[key] for key in default if key in there}
        else:
            values[section] = default
    write_values(path, values, place="defaults")
    use_set("demo", params=path)
    return path
