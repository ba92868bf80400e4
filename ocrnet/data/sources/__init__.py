"""Sources of raw data: one file and one line in `SOURCES` each.

A source finds (or renders) the raw files and says what belongs together; it decodes nothing. Its
function takes the params and a work folder, and returns one `RawItem` per image.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ocrnet.config import Params
from ocrnet.errors import ParamsError
from ocrnet.near_names import hint


@dataclass(frozen=True)
class RawItem:
    """One raw image with its label map.

    Args:
        id: unique in the set and usable as a file name.
        label_map: None where the source found none.
        split: train, val or test where the source publishes a split.
        group: images of one group share a split.
    """

    id: str
    image: Path
    label_map: Path | None
    split: str | None
    group: str


Source = Callable[[Params, Path], list[RawItem]]

# Import paths, so that reading the table imports no source.
SOURCES: dict[str, str] = {
    "demo": "ocrnet.data.sources.demo:find",
    "folder": "ocrnet.data.sources.folder:find",
    "camvid": "ocrnet.data.sources.camvid:find",
}


def load_source(name: str) -> Source:
    """Return the function of the source called `name`.

    Raises:
        ParamsError: there is no such source.
    """
    if name not in SOURCES:
        raise ParamsError(
            f"params.yaml: data.source: found {name!r}.{hint(name, SOURCES)} Known sources: {', '.join(SOURCES)}."
        )
    module, function = SOURCES[name].split(":")
    source: Source = getattr(importlib.import_module(module), function)
    return source


def raw_root(params: Params, work: Path) -> Path:
    """Return the folder of the raw files: what the source rendered into `work`, or `data.path`."""
    return work if work.is_dir() else Path(params.data.path)
