"""The sheet of samples: label map, three generated images and the real image, for train and val label maps.

A generator that fills holes gets two more columns: the real image with a hole, and with the painted hole.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PilImage

from ocrnet.data.contact_sheet import beside, fitted, under
from ocrnet.gan.generator.images import Image, LabelMap
from ocrnet.gan.generator.painter import Painter
from ocrnet.gan.training.batches import Pairs
from ocrnet.gan.training.holes import draw_hole

ROWS = 4  # rows per split
PAINTINGS = 3
BOX = (192, 512)  # largest height and width of an image on the sheet, in pixels
GAP = 4  # pixels
IGNORED_COLOR = (255, 255, 255)
HOLE_COLOR = (255, 0, 255)


def write_samples(path: Path, painter: Painter, train: Pairs, val: Pairs) -> None:
    """Write a JPEG with rows of train label maps, then of val label maps."""
    rows = [
        _row(painter, pairs, index)
        for pairs in (train, val)
        for index in _most_classes(pairs, count=ROWS)
    ]
    PilImage.fromarray(under(rows, gap=GAP)).save(path, quality=92, subsampling=0)


def _most_classes(pairs: Pairs, *, count: int) -> Sequence[int]:
    """Return the indices of the pairs with most classes, so that the sheet shows rare classes."""
    shown = min(len(pairs), 64)
    order = sorted(range(shown), key=lambda i: (-len(np.unique(pairs.read(i)[1])), i))
    return order[:count]


def _row(painter: Painter, pairs: Pairs, index: int) -> Image:
    image, label_map = pairs.read(index)
    table = pairs.class_table
    colors = np.full((256, 3), IGNORED_COLOR, np.uint8)
    colors[: table.num_classes] = table.palette
    paintings = (painter.paint(label_map, seed=seed) for seed in range(PAINTINGS))
    pictures = [colors[label_map], *paintings, image, *_with_hole(painter, image, label_map, index)]
    height, width = fitted(image.shape, BOX, enlarge=False)
    if (height, width) != image.shape[:2]:
        pictures = [
            cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
            for picture in pictures
        ]
    return beside(pictures, gap=GAP)


def _with_hole(painter: Painter, image: Image, label_map: LabelMap, seed: int) -> tuple[Image, ...]:
    """Return the image with a hole and with the painted hole; nothing if the painter paints no holes."""
    if not painter.fills_holes:
        return ()
    hole = draw_hole(
        label_map, num_classes=painter.class_table.num_classes, rng=np.random.default_rng(seed)
    )
    empty = np.where(hole[..., None], np.array(HOLE_COLOR, np.uint8), image)
    return empty, painter.fill(image, hole, label_map, seed=seed)
