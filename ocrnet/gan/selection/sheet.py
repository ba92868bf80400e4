"""Image sheets of the selection.

`sheet.jpg`: generated image, its label map, and the label map with rejected pixels in white. `neighbours.jpg`:
generated images beside the training images whose detail they repeat most.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from ocrnet.data.contact_sheet import beside, fit_tile, under
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import ClassTable, read_manifest
from ocrnet.gan.quality.features import FeatureBank

ROWS, BLOCKS = 8, 2  # rows of the sheet, and pairs per row
TILE_WIDTH = 256  # pixels
TILE_HEIGHT = 512  # pixels of the tallest tile: a narrow image must not make a sheet above the size limit of JPEG
GAP = 4
_QUALITY = 90


def write_sheet(out: Path, synthesized: Path, selected: Path, *, name: str = "sheet.jpg") -> None:
    """Write the sheet of evenly chosen kept pairs, sorted by the share of rejected pixels.

    Args:
        out: Folder of the sheet.
        synthesized: Manifest folder of the pairs.
        selected: Manifest folder of the kept pairs.
        name: File name of the sheet.
    """
    classes = ClassTable.read(selected)
    table = read_manifest(selected).sort_values(["rejected_share", "id"])
    chosen = np.unique(np.linspace(0, len(table) - 1, min(len(table), ROWS * BLOCKS)).round())
    strips = [
        _strip(synthesized, selected, table.iloc[int(index)], classes) for index in chosen.tolist()
    ]
    _save(out / name, strips)


def write_neighbours(
    out: Path,
    prepared: Path,
    synthesized: Path,
    features: FeatureBank,
    *,
    name: str = "neighbours.jpg",
) -> None:
    """Write the generated images with the smallest share of own detail, the smallest first, beside their originals.

    The original is mirrored if the generated image repeats it mirrored.

    Args:
        out: Folder of the sheet.
        prepared: Folder of the real data.
        synthesized: Manifest folder of the pairs.
        features: Feature bank that finds the original of a generated image.
        name: File name of the sheet.
    """
    found = sorted(
        features.originals(synthesized, prepared).items(), key=lambda pair: (pair[1].own, pair[0])
    )
    painted, real = (
        {row["id"]: folder / row["image"] for _, row in read_manifest(folder).iterrows()}
        for folder in (synthesized, prepared)
    )
    strips = []
    for item, original in found[: ROWS * BLOCKS]:
        image = read_image(real[original.id])[:, :: -1 if original.mirrored else 1]
        strips.append(beside([_tile(read_image(painted[item])), _tile(image)]))
    _save(out / name, strips)


def _save(path: Path, strips: list[npt.NDArray[np.uint8]]) -> None:
    """Write strips as a JPEG, `BLOCKS` per row."""
    lines = [beside(strips[at : at + BLOCKS]) for at in range(0, len(strips), BLOCKS)]
    Image.fromarray(under(lines)).save(path, quality=_QUALITY)


def _strip(
    synthesized: Path, selected: Path, row: "pd.Series[str]", classes: ClassTable
) -> npt.NDArray[np.uint8]:
    colours = np.full((256, 3), 255, dtype=np.uint8)
    colours[: classes.num_classes] = classes.palette
    before = colours[read_label_map(synthesized / "label_maps" / f"{row['id']}.png")]
    after = colours[read_label_map(selected / row["label_map"])]
    image = read_image(selected / row["image"])
    return beside([_tile(part) for part in (image, before, after)])


def _tile(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    tile = fit_tile(pixels, (TILE_HEIGHT, TILE_WIDTH))
    return np.pad(tile, ((GAP // 2, GAP // 2), (GAP // 2, GAP // 2), (0, 0)), constant_values=255)
