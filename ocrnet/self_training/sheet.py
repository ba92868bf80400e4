"""The sheet of examples: image, prediction, pseudo-labels with ignored pixels in white, weights in gray."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ocrnet.data.contact_sheet import beside, fit_tile, under
from ocrnet.data.manifest import ClassTable
from ocrnet.data.pseudo_shares import SHEET_FILE

ROWS = 8
TILE = (320, 220)  # largest height and exact width of a tile, in pixels
GAP = 4
QUALITY = 85

Labels = UInt8[np.ndarray, "H W"]


class Sheet:
    """Evenly chosen images with their pseudo-labels.

    Args:
        classes: Class table with the colours.
        count: Number of images that are offered.
    """

    def __init__(self, classes: ClassTable, count: int) -> None:
        self._colours = np.full((256, 3), 255, np.uint8)
        self._colours[: classes.num_classes] = classes.palette
        self._chosen = set(np.linspace(0, count - 1, min(count, ROWS)).round().astype(int).tolist())
        self._strips: list[UInt8[np.ndarray, "h w 3"]] = []

    def offer(
        self,
        index: int,
        image: UInt8[np.ndarray, "H W 3"],
        predicted: Labels,
        kept: Labels,
        weights: Labels,
    ) -> None:
        """Add an image if it is one of the chosen ones."""
        if index in self._chosen:
            gray = np.repeat(weights[..., None], 3, axis=2)
            parts = (image, self._colours[predicted], self._colours[kept], gray)
            self._strips.append(beside([fit_tile(part, TILE) for part in parts], gap=GAP))

    def write(self, folder: Path) -> None:
        """Write the sheet as a JPEG."""
        Image.fromarray(under(self._strips, gap=GAP)).save(folder / SHEET_FILE, quality=QUALITY)
