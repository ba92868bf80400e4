"""The demo's plates as a prepared training split: thin and round objects on a bare surface."""

from pathlib import Path

import pandas as pd

from ocrnet.data.decode import write_image, write_label_map
from ocrnet.data.manifest import ClassTable, count_pixels, file_sha256, write_manifest
from ocrnet.raw.sources.demo import render

CLASSES = ClassTable(
    ("plate", "scratch", "pit", "stain", "crack"),
    ((60, 64, 72), (86, 180, 233), (230, 159, 0), (0, 158, 115), (213, 94, 0)),
)


def write_plates(folder: Path, *, train: int = 12) -> Path:
    """Write the set as a prepared folder and return it; ids have a space, and so have files that people name."""
    rows = []
    for name in ("images", "label_maps"):
        (folder / name).mkdir(parents=True)
    for index in range(train):
        image, label_map = render(0, "train", index, size=(64, 80))
        item = f"plate {index:02d}"
        files = (f"images/{item}.png", f"label_maps/{item}.png")
        write_image(folder / files[0], image)
        write_label_map(folder / files[1], label_map, palette=CLASSES.palette, ignore_index=255)
        rows.append({
            "id": item, "split": "train", "group": item, "image": files[0], "label_map": files[1],
            "height": 64, "width": 80, "origin": "real",
            "image_sha256": file_sha256(folder / files[0]), "label_map_sha256": file_sha256(folder / files[1]),
            "raw_image": "", "raw_label_map": "",
            **count_pixels(label_map, CLASSES.class_names, ignore_index=255),
        })  # fmt: skip
    CLASSES.write(folder)
    write_manifest(folder, pd.DataFrame(rows))
    return folder
