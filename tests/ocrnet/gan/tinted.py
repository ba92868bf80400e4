"""The toy street under changing light: each photograph and each painting has a tint of its own."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ocrnet.data.decode import read_image, write_image
from tests.ocrnet.gan.street import COLOURS, SHAPE, ColourPainter, write_street

TINT = 20  # of a photograph, at most


def write_tinted_street(folder: Path, *, train: int = 9, val: int = 8) -> Path:
    """Write the set as a prepared folder and return it."""
    write_street(folder, train=train, val=val)
    for index, path in enumerate(sorted((folder / "images").glob("*.png"))):
        write_image(path, tinted(read_image(path), seed=index, tint=TINT))
    return folder


def tinted(image: npt.NDArray[np.uint8], *, seed: int, tint: int) -> npt.NDArray[np.uint8]:
    """Return an image with a tint and a grain drawn by the seed."""
    rng = np.random.default_rng(seed)
    changed = image + rng.integers(-tint, tint + 1, 3) + rng.integers(-8, 9, (*SHAPE, 3))
    return np.asarray(np.clip(changed, 0, 255), dtype=np.uint8)


class TintedPainter(ColourPainter):
    """Paints under lights that the photographs never had: redder by 40 to 80."""

    def paint(
        self,
        label_map: npt.NDArray[np.uint8],
        *,
        seed: int,
        before: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Return the image of a label map."""
        red = np.array([60, 0, 0])
        image = np.clip(COLOURS[label_map].astype(np.int64) + red, 0, 255).astype(np.uint8)
        return tinted(image, seed=seed, tint=TINT)
