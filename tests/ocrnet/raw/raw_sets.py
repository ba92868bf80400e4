"""Tiny raw sets on disk for the tests."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ocrnet.config import Params
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem, find_items
from tests.base_params import params_with

CLASSES = ("plate", "scratch", "pit")


def make_params(**data: Any) -> Params:
    """Return params of a folder set with three classes; keys of `data` replace the defaults."""
    sections = {name: data.pop(name) for name in ("prepare", "validate") if name in data}
    values = {"source": "folder", "path": "raw", "classes": list(CLASSES), **data}
    return params_with({"data": values, "validate": {"min_images": 2}} | sections)


def find_set(params: Params) -> list[RawItem]:
    """Return the items of a set in which nothing is wrong; a `DataError` has all that is."""
    inventory = Inventory(Path(params.data.path))
    items = find_items(params, Path(params.data.path) / "work", inventory)
    inventory.raise_findings()
    return items


def noise(seed: int, size: tuple[int, ...] = (12, 16, 3)) -> npt.NDArray[np.uint8]:
    """Return an image of its own for each seed."""
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def stripes(size: tuple[int, int] = (12, 16)) -> npt.NDArray[np.uint8]:
    """Return a label map with all three classes."""
    return np.repeat(np.arange(size[1], dtype=np.uint8)[None] % 3, size[0], axis=0)


def write_pairs(root: Path, count: int = 6) -> list[str]:
    """Write `images/` and `masks/` with stems a0, a1 and so on; return the stems."""
    stems = [f"a{i}" for i in range(count)]
    for i, stem in enumerate(stems):
        save(root / "images" / f"{stem}.png", noise(i))
        save(root / "masks" / f"{stem}.png", stripes())
    return stems


def write_lists(root: Path, stems: list[str]) -> None:
    """Publish a split: the last two stems are val and test."""
    (root / "splits").mkdir(parents=True, exist_ok=True)
    lists = {"train": stems[:-2], "val": stems[-2:-1], "test": stems[-1:]}
    for name, members in lists.items():
        (root / "splits" / f"{name}.txt").write_text("".join(f"{stem}\n" for stem in members))


def save(path: Path, pixels: npt.NDArray[Any], **options: Any) -> Path:
    """Write pixels in the format of the extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path
