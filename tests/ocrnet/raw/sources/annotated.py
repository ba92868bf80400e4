"""Small annotated sets on disk, and the label maps that a source draws from them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ocrnet.config import Params
from ocrnet.data.decode import read_label_map
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem, find_items
from tests.ocrnet.raw.raw_sets import make_params, noise, save

SIZE = (12, 16)
CLASSES = ["background", "cell", "vessel"]


def box(left: int, top: int, right: int, bottom: int) -> list[float]:
    """Return the outline of the pixels from (left, top) up to, not including, (right, bottom)."""
    return [left, top, right, top, right, bottom, left, bottom]


def write_images(root: Path, *names: str) -> None:
    """Write an image of `SIZE` for each path below the raw folder."""
    for number, name in enumerate(names):
        save(root / name, noise(number, (*SIZE, 3)))


def write_json(path: Path, content: Any) -> Path:
    """Write a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def params_of(root: Path, source: str, **data: Any) -> Params:
    """Return params of an annotated set."""
    return make_params(**{"path": str(root), "source": source, "classes": CLASSES, **data})


def find(root: Path, source: str, **data: Any) -> tuple[list[RawItem], Inventory]:
    """Return the items of an annotated set and the inventory with its findings."""
    inventory = Inventory(root)
    return find_items(params_of(root, source, **data), root.parent / "work", inventory), inventory


def label_maps(items: list[RawItem]) -> dict[str, np.ndarray]:
    """Return the drawn label maps by id."""
    return {item.id: read_label_map(item.label_map) for item in items if item.label_map is not None}
