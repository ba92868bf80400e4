"""The interfaces of the kinds of trained models: segmenter, painter and joint generator."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ocrnet.data.manifest import ClassTable


@runtime_checkable
class SegmenterLike(Protocol):
    """A trained model, or an ensemble of several, for prepared images of any size."""

    class_table: ClassTable
    weights_sha256: str

    def probabilities(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "K H W"]:
        """Return the probability of each class at each pixel."""
        ...

    def label_map(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
        """Return the most probable class of each pixel, on the CPU."""
        ...


@runtime_checkable
class PainterLike(Protocol):
    """A trained generator that synthesizes images of label maps."""

    class_table: ClassTable
    sha256: str

    def paint(
        self,
        label_map: UInt8[np.ndarray, "H W"],
        *,
        seed: int,
        before: UInt8[np.ndarray, "H W"] | None = None,
    ) -> UInt8[np.ndarray, "H W 3"]:
        """Return an image of a label map; with the label map `before` an edit, components keep their styles."""
        ...


@runtime_checkable
class HolePainterLike(PainterLike, Protocol):
    """A trained generator that also paints holes in real images."""

    def fill(
        self,
        image: UInt8[np.ndarray, "H W 3"],
        hole: Bool[np.ndarray, "H W"],
        label_map: UInt8[np.ndarray, "H W"],
        *,
        seed: int,
    ) -> UInt8[np.ndarray, "H W 3"]:
        """Return an image whose hole shows its part of a label map; every other pixel is kept."""
        ...


@runtime_checkable
class JointLike(Protocol):
    """A trained generator that draws images with their label maps from noise."""

    class_table: ClassTable
    sha256: str

    def draw(
        self, shown: Sequence[int], *, seed: int
    ) -> tuple[UInt8[np.ndarray, "H W 3"], UInt8[np.ndarray, "H W"]]:
        """Return an image and its label map, for the ids of the classes to show."""
        ...
