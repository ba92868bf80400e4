"""Prediction from a bundle: an image in, class probabilities or a label map of the image's size out."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ocrnet.bundle import ModelCard, load_bundle
from ocrnet.data.decode import read_image, resize_image
from ocrnet.data.manifest import ClassTable
from ocrnet.models.output import SegmentationModel, resize_logits

LEAST_SIDE = (
    64  # a smaller image is padded: the deepest feature map would be less than two pixels wide
)


class Segmenter:
    """A trained model with what it needs to take an image as it is.

    Attributes:
        class_table: names, palette and ignored id of the classes it knows.
        decoding: what `prepare` did to the raw images it was trained on.
        weights_sha256: of the weights it runs.
    """

    def __init__(self, model: SegmentationModel, card: ModelCard, *, device: str = "cpu") -> None:
        self.class_table: ClassTable = card.classes
        self.decoding = card.decoding
        self.weights_sha256 = card.weights_sha256
        self._model = model.to(device).eval()
        self._device = torch.device(device)
        self._mean = torch.tensor(card.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(card.std, device=device).view(1, 3, 1, 1)

    def probabilities(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "K H W"]:
        """Return the softmax over classes at each pixel of a prepared image, in [0, 1]."""
        return self._logits(image, image.shape[:2]).softmax(dim=0).cpu().numpy()

    def label_map(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
        """Return the most probable class of each pixel of a prepared image."""
        return _labels(self._logits(image, image.shape[:2]))

    def label_map_of_file(self, path: Path) -> UInt8[np.ndarray, "H W"]:
        """Return the label map of a raw image file, at the file's size.

        The image is decoded and resized as `prepare` did with the training data.

        Raises:
            DataError: the file cannot be decoded.
        """
        decoding = self.decoding
        image = read_image(path, value_range=decoding.value_range, exif=decoding.exif)
        prepared = image if decoding.resize is None else resize_image(image, decoding.resize)
        return _labels(self._logits(prepared, image.shape[:2]))

    @torch.inference_mode()
    def _logits(
        self, image: UInt8[np.ndarray, "H W 3"], size: tuple[int, ...]
    ) -> Float[Tensor, "K H2 W2"]:
        """Return logits at `size`: the image's own, or that of the raw image it was resized from."""
        pixels = (
            torch.from_numpy(np.ascontiguousarray(image)).to(self._device).permute(2, 0, 1)[None]
        )
        images = normalise(pixels, mean=self._mean, std=self._std)
        own = full_size_logits(self._model, images)
        align = self._model.align_corners
        return resize_logits(own, (size[0], size[1]), align_corners=align)[0]


def _labels(logits: Float[Tensor, "K H W"]) -> UInt8[np.ndarray, "H W"]:
    labels: npt.NDArray[np.uint8] = logits.argmax(dim=0).to(torch.uint8).cpu().numpy()
    return labels


def normalise(
    images: UInt8[Tensor, "B 3 H W"],
    *,
    mean: Float[Tensor, "1 3 1 1"],
    std: Float[Tensor, "1 3 1 1"],
) -> Float[Tensor, "B 3 H W"]:
    """Return images as the model wants them: RGB in [0, 1] less its mean, in units of its deviation."""
    return (images.float() / 255.0 - mean) / std


def full_size_logits(
    model: SegmentationModel, images: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, "B K H W"]:
    """Return logits at the size of normalised images of any size."""
    height, width = images.shape[-2:]
    pad = (0, max(0, LEAST_SIDE - width), 0, max(0, LEAST_SIDE - height))
    padded = torch.nn.functional.pad(images, pad)
    size = (padded.shape[-2], padded.shape[-1])
    logits = resize_logits(model(padded).logits, size, align_corners=model.align_corners)
    return logits[:, :, :height, :width]


def load_segmenter(folder: Path, *, device: str = "cpu") -> Segmenter:
    """Load the segmenter of a bundle.

    Raises:
        BundleError: the bundle is missing, damaged or foreign.
    """
    model, card = load_bundle(folder)
    return Segmenter(model, card, device=device)
