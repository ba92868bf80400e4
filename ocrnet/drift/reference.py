"""The prepared set as the reference of drift: the same measures of all its images, computed once per model."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from ocrnet.data.csv_tables import read_csv_table
from ocrnet.data.decode import read_image
from ocrnet.data.files import whole_file
from ocrnet.data.manifest import MANIFEST_FILE, file_sha256, read_manifest
from ocrnet.drift.distances import (
    NEIGHBOURS,
    feature_distances,
    neighbour_distances,
    own_feature_distances,
)
from ocrnet.drift.measures import TAILS, ImageMeasures, measure_prepared
from ocrnet.errors import DataError
from ocrnet.inference.predict import Segmenter

SINGLE = tuple(name for name in TAILS if name not in ("features", "shares"))
FORM = "1"  # of the kept file; another number after a change of the measures
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Reference:
    """The measures of a prepared set by one model.

    Args:
        splits: Split of each image.
        values: Value of each measure in `SINGLE`, a row per image; NaN where it is not known.
        vectors: Feature vectors.
        shares: Shares of the classes.
    """

    splits: tuple[str, ...]
    values: Float[np.ndarray, "N M"]
    vectors: Float[np.ndarray, "N D"]
    shares: Float[np.ndarray, "N K"]

    def of_split(self, split: str) -> pd.DataFrame:
        """Return all measures of the images of a split; a training image is no neighbour of its own."""
        rows = np.array([name == split for name in self.splits])
        return self._table(self.values[rows], self.vectors[rows], self.shares[rows], own=split == "train")  # fmt: skip

    def of_images(self, images: Sequence[ImageMeasures]) -> pd.DataFrame:
        """Return all measures of new images, a column per measure and a row per image."""
        values = np.array([[one.values[name] for name in SINGLE] for one in images])
        vectors = np.array([one.vector for one in images])
        return self._table(values, vectors, np.array([one.shares for one in images]), own=False)

    def _table(
        self,
        values: Float[np.ndarray, "n M"],
        vectors: Float[np.ndarray, "n D"],
        shares: Float[np.ndarray, "n K"],
        *,
        own: bool,
    ) -> pd.DataFrame:
        train = np.array([name == "train" for name in self.splits])
        table = pd.DataFrame(values, columns=list(SINGLE))
        table["features"] = (
            own_feature_distances(vectors)
            if own
            else feature_distances(vectors, self.vectors[train])
        )
        table["shares"] = neighbour_distances(shares, self.shares[train], own=own)
        return table[list(TAILS)]


def read_reference(
    folder: Path, segmenter: Segmenter, *, kept: Path, progress: Progress = lambda done, of: None
) -> Reference:
    """Return the measures of a prepared set, from a kept file if there is one for this set and this model.

    Args:
        folder: Folder of the prepared set, `data/prepare`.
        segmenter: Model.
        kept: Folder of kept files.
        progress: Function that gets the number of measured images and the number of all.

    Raises:
        DataError: The set is missing or damaged, or has too few training images.
        BundleError: The model's architecture has no known encoder.
    """
    manifest = read_manifest(folder)
    few = int((manifest["split"] == "train").sum())
    if few <= NEIGHBOURS:
        raise DataError(
            f"{folder}: found {few} training images, more than {NEIGHBOURS} are needed. Label more."
        )
    key = [FORM, file_sha256(folder / MANIFEST_FILE), segmenter.weights_sha256, repr(segmenter.protocol)]  # fmt: skip
    path = kept / f"{hashlib.sha256(' '.join(key).encode()).hexdigest()[:16]}.npz"
    splits = tuple(manifest["split"])
    if not path.exists():
        _write(path, _measured(folder, manifest, segmenter, progress))
    with np.load(path, allow_pickle=False) as arrays:
        return Reference(splits, arrays["values"], arrays["vectors"], arrays["shares"])


def _write(path: Path, measured: Sequence[ImageMeasures]) -> None:
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            values=np.array([[one.values[name] for name in SINGLE] for one in measured]),
            vectors=np.array([one.vector for one in measured]),
            shares=np.array([one.shares for one in measured]),
        )


def _measured(
    folder: Path, manifest: pd.DataFrame, segmenter: Segmenter, progress: Progress
) -> list[ImageMeasures]:
    sizes = _file_sizes(folder, resized=segmenter.decoding.resize is not None)
    found = []
    for index, row in enumerate(manifest.to_dict("records")):
        image = read_image(folder / row["image"])
        own = float(image.shape[0] * image.shape[1])
        pixels = own if sizes is None else sizes.get(str(row["id"]), np.nan)
        found.append(measure_prepared(segmenter, image, pixels=pixels))
        progress(index + 1, len(manifest))
    return found


def _file_sizes(folder: Path, *, resized: bool) -> dict[str, float] | None:
    """Return the number of pixels of the raw files by id, or None where those of the prepared images are the same."""
    if not resized:
        return None
    table = folder.parent / "validate" / "table.csv"
    if not table.exists():
        return {}
    known = read_csv_table(table, text=("id",), columns=("id", "pixels")).dropna()
    return dict(zip(known["id"], known["pixels"].astype(float), strict=True))
