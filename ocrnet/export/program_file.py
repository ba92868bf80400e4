"""An exported archive of torch.export as a model, to hold it against its source."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ocrnet.errors import DataError
from ocrnet.export.card import ExportCard
from ocrnet.export.network import file_input
from ocrnet.export.trace import quiet
from ocrnet.models import NO_HEADS
from ocrnet.models.output import LEAST_SIDE


class ProgramFile:
    """The graph of an archive.

    Args:
        path: Path of an archive that this process has written; torch reads parts of it by pickle.
        card: Card of the archive.
    """

    def __init__(self, path: Path, card: ExportCard) -> None:
        with quiet(), path.open("rb") as file:
            self._run = torch.export.load(file).module()
        self._card = card

    @torch.inference_mode()
    def label_map(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the class ids (H, W) of an RGB image (H, W, 3).

        Raises:
            DataError: The image is smaller than those that the graph was traced for.
        """
        if min(image.shape[:2]) < LEAST_SIDE:
            raise DataError(
                f"--format torch_export: needs images of {LEAST_SIDE} pixels a side or more, found {image.shape[0]} x "
                f"{image.shape[1]}. Use --format onnx, or other images with --images."
            )
        first = self._outputs(image)[0]
        label_map = first.argmax(dim=1).to(torch.uint8) if self._card.is_raw else first
        ids: npt.NDArray[np.uint8] = label_map[0].numpy()
        return ids

    @torch.inference_mode()
    def head_maps(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32] | None:
        """Return the maps (D, h, w) of the instance heads for an RGB image (H, W, 3); None without such heads."""
        if self._card.instances == NO_HEADS:
            return None
        maps: npt.NDArray[np.float32] = self._outputs(image)[-1][0].numpy()
        return maps

    def _outputs(self, image: npt.NDArray[np.uint8]) -> tuple[torch.Tensor, ...]:
        found = self._run(torch.from_numpy(file_input(self._card, image)))
        return (found,) if isinstance(found, torch.Tensor) else tuple(found)
