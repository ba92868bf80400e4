"""A toy joint generator: half-size label maps of a training split with the faults of a drawn one."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ocrnet.gan.layouts.catalog import Catalog


class RoughDrawer:
    """Draws training label maps at half size, shifted sideways, with specks; every third one is nonsense."""

    sha256 = "5eed" * 16

    def __init__(self, catalog: Catalog) -> None:
        self.class_table = catalog.classes
        self._catalog = catalog
        self.asked: list[tuple[int, ...]] = []

    def draw(
        self, shown: Sequence[int], *, seed: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Return an image in the colours of the classes, and its label map."""
        self.asked.append(tuple(shown))
        rng = np.random.default_rng(seed)
        ids = self._catalog.ids
        label_map = self._catalog.label_map(ids[int(rng.integers(len(ids)))])[::2, ::2]
        label_map = np.roll(label_map, int(rng.integers(label_map.shape[1])), axis=1)
        label_map = np.where(label_map < self.class_table.num_classes, label_map, 0)
        specks = rng.random(label_map.shape) < 0.01
        label_map[specks] = rng.choice(list(shown), specks.sum())
        if seed % 3 == 0:
            half = label_map.shape[0] // 2
            label_map[:half] = label_map[::-1][:half]
        drawn = label_map.astype(np.uint8)
        return np.array(self.class_table.palette, np.uint8)[drawn], drawn
