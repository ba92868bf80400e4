"""A prepared set small enough to train a GAN on in a second."""

from pathlib import Path

import numpy as np
import pandas as pd

from ocrnet.data.decode import write_image, write_label_map
from ocrnet.data.manifest import COLUMNS, ClassTable, count_pixels, pixel_columns, write_manifest

TABLE = ClassTable(("floor", "square"), ((0, 0, 0), (200, 30, 30)), 255)


def write_prepared(folder: Path, *, train: int = 5, val: int = 2) -> Path:
    """Write gray noise with a brighter square, images of different odd sizes, some pixels ignored."""
    rng = np.random.default_rng(0)
    for name in ("images", "label_maps"):
        (folder / name).mkdir(parents=True)
    rows = []
    for i in range(train + val):
        split = "train" if i < train else "val"
        height, width = 14 + i, 19 - i
        label_map = np.zeros((height, width), np.uint8)
        label_map[4:9, 3:8] = 1
        label_map[0, :2] = 255
        image = (
            rng.integers(40, 90, (height, width, 3)) + 120 * (label_map == 1)[:, :, None]
        ).astype(np.uint8)
        item = f"{split}_{i}"
        write_image(folder / "images" / f"{item}.png", image)
        write_label_map(
            folder / "label_maps" / f"{item}.png",
            label_map,
            palette=TABLE.palette,
            ignore_index=255,
        )
        row: dict[str, object] = dict.fromkeys([*COLUMNS, *pixel_columns(TABLE.class_names)], "")
        row |= {"id": item, "split": split, "group": item, "origin": "real"}
        row |= {"image": f"images/{item}.png", "label_map": f"label_maps/{item}.png"}
        row |= {"height": height, "width": width}
        row |= count_pixels(label_map, TABLE.class_names, ignore_index=255)
        rows.append(row)
    write_manifest(folder, pd.DataFrame(rows))
    TABLE.write(folder)
    return folder
