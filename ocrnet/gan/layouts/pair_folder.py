"""Writing of a manifest folder of synthesized pairs."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from ocrnet.data.decode import write_image, write_label_map
from ocrnet.data.instance_maps import INSTANCES, write_instances
from ocrnet.data.manifest import count_pixels, file_sha256, write_manifest
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.compose import Image, Layout, number_objects

LAYOUT = (
    "layout"  # column with the number of a pair's layout, if there are several paintings of each
)


class PairFolder:
    """Writes pairs into a manifest folder, one at a time; the name of the folder is their `origin`."""

    def __init__(self, folder: Path, catalog: Catalog, *, generator: str) -> None:
        self._folder = folder
        self._catalog = catalog
        self._generator = generator
        self._rows: list[dict[str, Any]] = []
        for name in ("images", "label_maps"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def add(self, layout: Layout, image: Image, *, number: int | None = None) -> None:
        """Write a pair; `number` tells the pairs of one layout where there are several paintings of each."""
        folder, classes = self._folder, self._catalog.classes
        pair_id = f"{folder.name}_{len(self._rows):05d}"
        image_name, label_name = f"images/{pair_id}.png", f"label_maps/{pair_id}.png"
        write_image(folder / image_name, image)
        write_label_map(
            folder / label_name,
            layout.label_map,
            palette=classes.palette,
            ignore_index=classes.ignore_index,
        )
        row = {
            "id": pair_id,
            "split": "train",
            "group": self._catalog.groups[layout.parents[0]],
            "image": image_name,
            "label_map": label_name,
            "height": layout.label_map.shape[0],
            "width": layout.label_map.shape[1],
            "origin": folder.name,
            "image_sha256": file_sha256(folder / image_name),
            "label_map_sha256": file_sha256(folder / label_name),
            "raw_image": "",
            "raw_label_map": "",
            **count_pixels(
                layout.label_map, classes.class_names, ignore_index=classes.ignore_index
            ),
            # JSON, since an id is a file's stem and may contain spaces and commas.
            "parents": _compact(layout.parents),
            "operations": _compact(layout.steps),
            "seed": layout.seed,
            "generator": self._generator,
            **({} if number is None else {LAYOUT: number}),
            **self._write_objects(pair_id, layout),
        }
        self._rows.append(row)

    def _write_objects(self, pair_id: str, layout: Layout) -> dict[str, str]:
        """Write the instance map of a layout, if the set has thing classes, and return its part of the row."""
        if not self._catalog.instances.things:
            return {}
        name = f"{INSTANCES}/{pair_id}.png"
        (self._folder / INSTANCES).mkdir(exist_ok=True)
        write_instances(self._folder / name, number_objects(self._catalog, layout.steps))
        return {INSTANCES: name, f"{INSTANCES}_sha256": file_sha256(self._folder / name)}

    def finish(self) -> None:
        """Write the manifest and the class table."""
        self._catalog.classes.write(self._folder)
        write_manifest(self._folder, pd.DataFrame(self._rows))


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
