"""Prediction from a bundle: an image in, class probabilities or a label map of the image's size out."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ocrnet.bundles.bundle import ModelCard, load_bundle
from ocrnet.data.decode import read_image, resize_image
from ocrnet.data.manifest import ClassTable
from ocrnet.inference.merging import Merger
from ocrnet.inference.views import Protocol
from ocrnet.models.output import SegmentationModel, normalise


class Segmenter:
    """A trained model with all that it needs to segment a raw image.

    Attributes:
        class_table: Names, palette and ignored id of the classes it was trained on.
        decoding: How `prepare` treated the raw images it was trained on.
        weights_sha256: SHA-256 of its weights.
        protocol: How it views an image; by default whole.
        name: Name in messages.
    """

    def __init__(
        self,
        model: SegmentationModel,
        card: ModelCard,
        *,
        device: str = "cpu",
        protocol: Protocol | None = None,
        name: str = "",
    ) -> None:
        self.class_table: ClassTable = card.classes
        self.decoding = card.decoding
        self.weights_sha256 = card.weights_sha256
        self.protocol = protocol or Protocol()
        self.name = name or card.arch
        self._model = model.to(device).eval()
        self._device = torch.device(device)
        self._mean = torch.tensor(card.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(card.std, device=device).view(1, 3, 1, 1)

    def probabilities(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "K H W"]:
        """Return the merged probability of each class at each pixel of a prepared image."""
        return self.protocol.merger.finish(self.scores(image))[0].cpu().numpy()

    def label_map(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
        """Return the most probable class of each pixel of a prepared image."""
        return labels(self.scores(image))

    def label_map_of_file(self, path: Path) -> UInt8[np.ndarray, "H W"]:
        """Return the label map of a raw image file, at the file's size.

        The image is decoded and resized as `prepare` did with the training data.

        Raises:
            DataError: The file cannot be decoded.
        """
        return labels(self.scores_of_file(path))

    @torch.inference_mode()
    def scores(
        self, image: UInt8[np.ndarray, "H W 3"], *, merger: Merger | None = None
    ) -> Float[Tensor, "1 K H W"]:
        """Return the scores of a prepared image by the protocol, on the device, before they become probabilities.

        Args:
            image: RGB image.
            merger: Merger of an enclosing ensemble; by default that of the protocol.
        """
        pixels = (
            torch.from_numpy(np.ascontiguousarray(image)).to(self._device).permute(2, 0, 1)[None]
        )
        normalised = normalise(pixels, mean=self._mean, std=self._std)
        return self.protocol.scores(self._model, normalised, merger or self.protocol.merger)

    def scores_of_file(
        self, path: Path, *, merger: Merger | None = None
    ) -> Float[Tensor, "1 K H W"]:
        """Return the scores of a raw image file, at the file's size.

        Raises:
            DataError: The file cannot be decoded.
        """
        decoding = self.decoding
        image = read_image(
            path,
            value_range=decoding.value_range,
            exif=decoding.exif,
            alpha=decoding.alpha,
            extra_bands=decoding.extra_bands,
            max_pixels=decoding.max_pixels,
        )
        return self.scores_at_size(image, merger=merger)

    @torch.inference_mode()
    def scores_at_size(
        self, image: UInt8[np.ndarray, "H W 3"], *, merger: Merger | None = None
    ) -> Float[Tensor, "1 K H W"]:
        """Return the scores of a decoded image at its own size, resized for the model as `prepare` did."""
        merger = merger or self.protocol.merger
        resize = self.decoding.resize
        prepared = image if resize is None else resize_image(image, resize)
        size = (image.shape[0], image.shape[1])
        own = self.scores(prepared, merger=merger)
        return merger.resize(own, size, align_corners=self._model.align_corners)


def labels(scores: Float[Tensor, "1 K H W"]) -> UInt8[np.ndarray, "H W"]:
    """Return the class with the greatest score at each pixel."""
    ids: npt.NDArray[np.uint8] = scores[0].argmax(dim=0).to(torch.uint8).cpu().numpy()
    return ids


def load_segmenter(
    folder: Path, *, device: str = "cpu", protocol: Protocol | None = None
) -> Segmenter:
    """Load the segmenter of a bundle.

    Raises:
        BundleError: The bundle is missing, damaged or foreign.
    """
    model, card = load_bundle(folder)
    return Segmenter(model, card, device=device, protocol=protocol, name=folder.as_posix())
