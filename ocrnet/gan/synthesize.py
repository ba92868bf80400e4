"""Synthesized pairs: layouts from the training split, painted by the GAN, each with its lineage.

Nothing but the training split is read. Where it is asked for, a second folder holds the same layouts
composed from the pixels of their real parents: the rival without a GAN.
"""

import json
import logging
import shutil
from collections import Counter
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from ocrnet.config import SynthesizeParams
from ocrnet.data.decode import write_image, write_label_map
from ocrnet.data.manifest import ClassTable, count_pixels, file_sha256, write_manifest
from ocrnet.errors import DataError
from ocrnet.gan.catalog import Catalog
from ocrnet.gan.compose import Layout, compose
from ocrnet.gan.layouts import check_operations, draw_layout, layout_seed
from ocrnet.tracking import Recorder

logger = logging.getLogger(__name__)
GAN, COPY_PASTE = "gan", "copy_paste"  # folders and origins
LOG_INTERVAL = 16  # pairs


@runtime_checkable
class LayoutPainter(Protocol):
    """What paints a label map."""

    @property
    def sha256(self) -> str:
        """Of the weights."""

    @property
    def class_table(self) -> ClassTable:
        """The classes that it knows."""

    def paint(self, label_map: npt.NDArray[np.uint8], *, seed: int) -> npt.NDArray[np.uint8]:
        """Return an image (H, W, 3) of a label map (H, W)."""


class PairFolder:
    """Writes pairs into a manifest folder, one at a time; its name is their origin."""

    def __init__(self, folder: Path, catalog: Catalog, *, generator: str) -> None:
        self._folder = folder
        self._catalog = catalog
        self._generator = generator
        self._rows: list[dict[str, Any]] = []
        for name in ("images", "label_maps"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def add(self, layout: Layout, image: npt.NDArray[np.uint8]) -> None:
        """Write a pair."""
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
            "group": self._catalog.groups[layout.base["id"]],
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
            "parents": " ".join(layout.parents),
            "operations": json.dumps(layout.steps, separators=(",", ":")),
            "seed": layout.seed,
            "generator": self._generator,
        }
        self._rows.append(row)

    def finish(self) -> None:
        """Write the manifest and the class table."""
        self._catalog.classes.write(self._folder)
        write_manifest(self._folder, pd.DataFrame(self._rows))


class Tally:
    """Counts what layouts hold and how they came about."""

    def __init__(self, catalog: Catalog) -> None:
        self._names = catalog.classes.class_names
        self._train_shares = np.array(catalog.pixel_shares)
        self._pixels = np.zeros(len(self._names), dtype=np.int64)
        self._pasted: Counter[int] = Counter()
        self._operations: Counter[str] = Counter()
        self._unplaced = 0

    def add(self, layout: Layout) -> None:
        """Count one layout."""
        counts = np.bincount(layout.label_map.ravel(), minlength=256)
        self._pixels += counts[: len(self._names)]
        self._pasted.update(paste["class_id"] for paste in layout.pastes)
        self._operations[layout.operation] += 1
        self._unplaced += layout.unplaced

    def shares(self) -> npt.NDArray[np.float64]:
        """Return the share of each class in the valid pixels."""
        return np.asarray(self._pixels / max(int(self._pixels.sum()), 1))

    def shares_by_name(self) -> dict[str, float]:
        """Return the shares as metrics."""
        return {
            f"synthesize/share/{name}": round(float(share), 6)
            for name, share in zip(self._names, self.shares(), strict=True)
        }

    def metrics(self) -> dict[str, float]:
        """Return class shares beside those of the training split, and what was done.

        `synthesize/drift` is half the sum of the differences of the shares: 0 when they agree, 1 when
        nothing is shared.
        """
        drift = float(np.abs(self.shares() - self._train_shares).sum()) / 2
        train = zip(self._names, self._train_shares, strict=True)
        return {
            "synthesize/count": float(self._operations.total()),
            "synthesize/drift": round(drift, 6),
            "synthesize/unplaced": float(self._unplaced),
            **{
                f"synthesize/operation/{name}": float(n)
                for name, n in sorted(self._operations.items())
            },
            **{
                f"synthesize/pasted/{self._names[i]}": float(n)
                for i, n in sorted(self._pasted.items())
            },
            **self.shares_by_name(),
            **{f"synthesize/train_share/{name}": round(float(share), 6) for name, share in train},
        }


def synthesize_pairs(
    prepared: Path,
    params: SynthesizeParams,
    *,
    painter: LayoutPainter,
    out: Path,
    recorder: Recorder,
    with_copy_paste: bool = False,
) -> None:
    """Draw layouts and write them with their images into `out/gan` (and `out/copy_paste`).

    Raises:
        ParamsError: the operations are unknown or impossible on this data.
        DataError: the painter knows other classes than the data has.
    """
    catalog = Catalog(prepared)
    check_operations(params, catalog)
    check_classes(painter, catalog.classes, place=prepared)
    for name in (GAN, COPY_PASTE):
        shutil.rmtree(out / name, ignore_errors=True)
    painted = PairFolder(out / GAN, catalog, generator=painter.sha256[:16])
    copied = PairFolder(out / COPY_PASTE, catalog, generator="") if with_copy_paste else None
    tally = Tally(catalog)
    for index in range(params.count):
        layout = draw_layout(catalog, params, seed=layout_seed(params.seed, index))
        painted.add(layout, painter.paint(layout.label_map, seed=layout.seed))
        if copied is not None:
            copied.add(layout, compose(catalog, layout))
        tally.add(layout)
        if (index + 1) % LOG_INTERVAL == 0:
            logger.info("painted %d/%d pairs", index + 1, params.count)
            recorder.log(index + 1, tally.shares_by_name())
    painted.finish()
    if copied is not None:
        copied.finish()
    recorder.finish(tally.metrics())


def check_classes(painter: LayoutPainter, classes: ClassTable, *, place: Path) -> None:
    """Refuse a painter that was trained on other classes.

    Raises:
        DataError: names, order or ignored id differ.
    """
    known = painter.class_table
    if (known.class_names, known.ignore_index) != (classes.class_names, classes.ignore_index):
        raise DataError(
            f"{place}: classes are {list(classes.class_names)}, but the generator was trained on "
            f"{list(known.class_names)}. Run the stage train_gan on this data."
        )
