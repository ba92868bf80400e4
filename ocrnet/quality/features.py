"""Feature vectors of sets of images, computed once and kept."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float

from ocrnet.data.decode import read_image
from ocrnet.data.manifest import read_manifest
from ocrnet.quality.extractors import FeatureExtractor

logger = logging.getLogger(__name__)
Size = tuple[int, int]


@dataclass(frozen=True)
class FeatureSet:
    """The vectors of some images.

    Args:
        ids: of the images.
        vectors: a row each.
        sizes: every (height, width) that an image has.
    """

    ids: tuple[str, ...]
    vectors: Float[np.ndarray, "N D"]
    sizes: frozenset[Size]

    def __len__(self) -> int:
        return len(self.ids)


class FeatureBank:
    """Computes the vectors of images, one image at a time, and those of a folder only once.

    One at a time, since what a kernel adds up may depend on the size of the batch, and a copy shall have the vector of
    its original to the bit.

    Attributes:
        extractor: as given.
        passes: sets of images computed so far.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        self.extractor = extractor
        self.passes = 0
        self._known: dict[tuple[Path, str | None], FeatureSet] = {}

    def of_folder(self, folder: Path, *, split: str | None = None) -> FeatureSet:
        """Return the vectors of a manifest folder, whole or one split, by id."""
        key = (folder, split)
        if key not in self._known:
            table = read_manifest(folder, split=split)
            rows = zip(table["id"], table["image"], strict=True)
            self._known[key] = self.of_images((i, read_image(folder / name)) for i, name in rows)
            logger.info("features of %d images of %s", len(self._known[key]), folder)
        return self._known[key]

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
