"""Feature vectors of sets of images, computed once and cached."""

import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from jaxtyping import Float

from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import read_manifest
from ocrnet.gan.quality.extractors import FeatureExtractor
from ocrnet.gan.quality.near_duplicates import Original, nearest_originals

logger = logging.getLogger(__name__)
Size = tuple[int, int]


@dataclass(frozen=True)
class FeatureSet:
    """The vectors of some images.

    Args:
        ids: Ids of the images.
        vectors: Feature vectors, one row per image.
        sizes: Sizes (height, width) that occur among the images.
    """

    ids: tuple[str, ...]
    vectors: Float[np.ndarray, "N D"]
    sizes: frozenset[Size]

    def __len__(self) -> int:
        return len(self.ids)

    def of_ids(self, ids: Collection[str]) -> "FeatureSet":
        """Return the vectors of some of the images."""
        chosen = [index for index, name in enumerate(self.ids) if name in ids]
        return FeatureSet(tuple(self.ids[i] for i in chosen), self.vectors[chosen], self.sizes)

    def with_others(self, others: "FeatureSet") -> "FeatureSet":
        """Return these vectors and others as one set, in which an id may occur twice."""
        vectors = np.concatenate([self.vectors, others.vectors])
        return FeatureSet(self.ids + others.ids, vectors, self.sizes | others.sizes)


class FeatureBank:
    """Computes feature vectors, one image at a time and only once per folder.

    The batch size is 1 because sums in a kernel may depend on it, and a copy must have the same vector as its
    original, bit for bit.

    Attributes:
        extractor: Feature extractor.
        passes: Number of sets of images computed so far.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        self.extractor = extractor
        self.passes = 0
        self._known: dict[tuple[Path, str | None, bool], FeatureSet] = {}
        self._originals: dict[tuple[Path, Path], dict[str, Original]] = {}

    def of_folder(
        self, folder: Path, *, split: str | None = None, mirrored: bool = False
    ) -> FeatureSet:
        """Return the vectors of the images of a manifest folder or one of its splits, mirrored on request."""
        key = (folder, split, mirrored)
        if key not in self._known:
            images = _read(folder, read_manifest(folder, split=split))
            way = -1 if mirrored else 1
            self._known[key] = self.of_images((name, image[:, ::way]) for name, image in images)
            logger.info("features of %d images of %s", len(self._known[key]), folder)
        return self._known[key]

    def originals(self, folder: Path, prepared: Path) -> dict[str, Original]:
        """Return for each image of a manifest folder, by id, the training image whose detail it repeats most.

        The extractor is not used.
        """
        key = (folder, prepared)
        if key not in self._originals:
            self.passes += 1
            train = read_manifest(prepared, split="train")
            self._originals[key] = nearest_originals(
                _read(folder, read_manifest(folder)),
                zip(
                    _read(prepared, train),
                    (read_label_map(prepared / name) for name in train["label_map"]),
                    strict=True,
                ),
            )
            logger.info("detail of %d images of %s", len(self._originals[key]), folder)
        return self._originals[key]

    def of_images(self, images: Iterable[tuple[str, npt.NDArray[np.uint8]]]) -> FeatureSet:
        """Return the vectors of images with their ids."""
        self.passes += 1
        ids: list[str] = []
        rows: list[npt.NDArray[np.float32]] = []
        sizes: set[Size] = set()
        for name, image in images:
            pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
            rows.append(self.extractor.features(pixels)[0].numpy())
            ids.append(name)
            sizes.add((image.shape[0], image.shape[1]))
        empty = np.zeros((0, self.extractor.dim), dtype=np.float32)
        return FeatureSet(tuple(ids), np.stack(rows) if rows else empty, frozenset(sizes))


def _read(folder: Path, table: pd.DataFrame) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    for name, file in zip(table["id"], table["image"], strict=True):
        yield name, read_image(folder / file)
