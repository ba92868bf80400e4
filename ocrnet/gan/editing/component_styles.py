"""Styles of single components in an edit, for `pipelines.paint`."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ocrnet.errors import ParamsError
from ocrnet.gan.generator.painter import Painter
from ocrnet.gan.generator.styles import Component, find_components, trace_components

LabelMap = npt.NDArray[np.uint8]
Pick = tuple[int, int, int]


class StyledPainter:
    """Painter that draws the styles of some components from separate seeds.

    Args:
        painter: Painter that repaints the image.
        picks: Row and column of a pixel of the edited label map, and the seed of its component's style.
        taken: Mask (H, W) of the pixels that are repainted.
    """

    def __init__(
        self, painter: Painter, picks: Sequence[Pick], *, taken: npt.NDArray[np.bool_]
    ) -> None:
        self.class_table, self.sha256 = painter.class_table, painter.sha256
        self._painter = painter
        self._picks = picks
        self._taken = taken

    def paint(
        self, label_map: LabelMap, *, seed: int, before: LabelMap | None = None
    ) -> npt.NDArray[np.uint8]:
        """Generate an image (H, W, 3) for a label map (H, W).

        Raises:
            ParamsError: A pick is outside the image, has no effect, or contradicts another pick.
            DataError: The painter has one style per image.
        """
        seeds = self._seeds(label_map, before) if self._picks and before is not None else {}
        return self._painter.paint(label_map, seed=seed, seeds=seeds, before=before)

    def _seeds(self, label_map: LabelMap, before: LabelMap) -> dict[Component, int]:
        """Return the seeds of the picks by component, named as before the edit, as the painter expects."""
        classes = self._painter.class_table.num_classes
        numbers, components = find_components(label_map, num_classes=classes)
        known = find_components(before, num_classes=classes)
        traced = trace_components(numbers, components, known)
        seeds: dict[Component, int] = {}
        for row, column, own in self._picks:
            self._check(row, column, own, numbers)
            component = traced[numbers[row, column]]
            if seeds.setdefault(component, own) != own:
                raise ParamsError(
                    f"--style {row} {column} {own}: this pixel shows (or showed before the edit) a component that "
                    f"another --style gives the seed {seeds[component]}. Keep one of them."
                )
        return seeds

    def _check(self, row: int, column: int, own: int, numbers: npt.NDArray[np.int64]) -> None:
        height, width = numbers.shape
        if not (0 <= row < height and 0 <= column < width):
            raise ParamsError(
                f"--style {row} {column} {own}: the pixel is outside the image of {height} x {width} (height x width). "
                f"Allowed: rows 0 to {height - 1}, columns 0 to {width - 1}."
            )
        if not self._taken[numbers == numbers[row, column]].any():
            raise ParamsError(
                f"--style {row} {column} {own}: no pixel of the component there is repainted, so its style has no "
                "effect. Name an edited pixel."
            )
