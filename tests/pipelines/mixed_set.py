"""A raw set like those that people have: upright, across and odd sizes, gray and colour mixed."""

from pathlib import Path

import numpy as np
from PIL import Image

from ocrnet.data.manifest import SPLITS
from ocrnet.raw.sources.demo import render

SIZES = [(48, 64), (64, 48), (51, 67), (64, 64), (80, 33), (35, 97)]
COUNTS = {"train": 8, "val": 4, "test": 6}


def write_mixed_set(root: Path) -> None:
    """Write `images/SPLIT` and `masks/SPLIT` of the demo's plates; every third image is gray."""
    drawn = 0
    for split in SPLITS:
        for index in range(COUNTS[split]):
            image, label_map = render(0, split, index, size=SIZES[drawn % len(SIZES)])
            name = f"{split}_{index:02}"
            is_gray = drawn % 3 == 2
            _save(root / "images" / split / f"{name}.{'bmp' if is_gray else 'png'}", image, is_gray)
            _save(root / "masks" / split / f"{name}.png", label_map.astype(np.uint8))
            drawn += 1


def _save(path: Path, pixels: np.ndarray, is_gray: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    (picture.convert("L") if is_gray else picture).save(path)
