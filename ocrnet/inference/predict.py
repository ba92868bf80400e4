"""Prediction with a bundle: from an image to class probabilities or a label map of the image's size."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from ocrnet.bundles.bundle import load_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.data.decode import read_image, resize_image
from ocrnet.data.manifest import ClassTable
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.inference.view_merging import Merger
from ocrnet.models.attention_heads import Detections
from ocrnet.models.folded_heads import fold_heads
from ocrnet.models.head_maps import detection_maps, offset_maps
from ocrnet.models.last_pass import keep_maps
from ocrnet.models.output import LEAST_SIDE, SegmentationModel, normalise
from ocrnet.models.trunk import Trunk


class Segmenter:
    """A trained model with everything that is needed to segment a raw image.

    Attributes:
        class_table: Names, palette and ignored id of its classes.
        decoding: Decoding of its raw training images by `prepare`.
        weights_sha256: SHA-256 of its weights.
        things: Names of the classes whose objects are told apart.
        least_score: Least score of an object.
        protocol: Scoring protocol; by default whole images.
        name: Name in messages.
        card: Card of the model.
        has_probabilities: Whether its scores are those of a network; an exported file may give label maps alone.
    """

    has_probabilities = True

    def __init__(
        self,
        model: SegmentationModel,
        card: ModelCard,
        *,
        device: str = "cpu",
        protocol: ScoringProtocol | None = None,
        name: str = "",
    ) -> None:
        self.card = card
        self.class_table: ClassTable = card.classes
        self.decoding = card.decoding
        self.things, self.least_score = card.things, card.least_score
        self.weights_sha256 = card.weights_sha256
        self.protocol = protocol or ScoringProtocol()
        self.name = name or card.arch
        self._model = fold_heads(model.to(device).eval())
        self._network = keep_maps(self._model)
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

        The image is decoded and resized like the training data in `prepare`.

        Raises:
            DataError: The file cannot be decoded.
        """
        return labels(self.scores_of_file(path))

    def read(self, path: Path) -> UInt8[np.ndarray, "H W 3"]:
        """Decode an image file as `prepare` decoded the training images, at the file's size.

        Raises:
            DataError: The file cannot be decoded.
        """
        decoding = self.decoding
        return read_image(
            path,
            value_range=decoding.value_range,
            exif=decoding.exif,
            alpha=decoding.alpha,
            extra_bands=decoding.extra_bands,
            max_pixels=decoding.max_pixels,
        )

    @torch.inference_mode()
    def features(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, " D"]:
        """Return the levels of the encoder for a prepared image, each averaged over the image.

        Raises:
            BundleError: The architecture has no known encoder.
        """
        pixels = self._normalised(image)
        height, width = pixels.shape[-2:]
        # Padded like an image to predict, so that the deepest level has a pixel.
        right, below = max(0, LEAST_SIDE - width), max(0, LEAST_SIDE - height)
        vector: Float[np.ndarray, " D"] = (
            Trunk(self._model)(F.pad(pixels, (0, right, 0, below)))[0].float().cpu().numpy()
        )
        return vector

    @torch.inference_mode()
    def scores(
        self, image: UInt8[np.ndarray, "H W 3"], *, merger: Merger | None = None
    ) -> Float[Tensor, "1 K H W"]:
        """Return the scores of a prepared image by the protocol, on the device, before they become probabilities.

        Args:
            image: RGB image.
            merger: Merger of an enclosing ensemble; by default that of the protocol.
        """
        merger = merger or self.protocol.merger
        return self.protocol.scores(self._network, self._normalised(image), merger)

    @torch.inference_mode()
    def window_scores(self, window: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "1 K h w"]:
        """Return the scores of one window of a prepared image, before windows are merged.

        Args:
            window: RGB window, or part of one at the border of the image.
        """
        return self.protocol.view(self._network, self._normalised(window), self.protocol.merger)

    def scores_of_file(
        self, path: Path, *, merger: Merger | None = None
    ) -> Float[Tensor, "1 K H W"]:
        """Return the scores of a raw image file, at the file's size.

        Raises:
            DataError: The file cannot be decoded.
        """
        return self.scores_at_size(self.read(path), merger=merger)

    @torch.inference_mode()
    def scores_at_size(
        self, image: UInt8[np.ndarray, "H W 3"], *, merger: Merger | None = None
    ) -> Float[Tensor, "1 K H W"]:
        """Return the scores of a decoded image at its size; for the model it is resized as in `prepare`."""
        return self.batch_scores([image], merger=merger)

    @torch.inference_mode()
    def batch_scores(
        self, images: Sequence[UInt8[np.ndarray, "H W 3"]], *, merger: Merger | None = None
    ) -> Float[Tensor, "B K H W"]:
        """Return the scores of decoded images of one size, which the network gets at once.

        Those of one image alone may differ by rounding, since kernels depend on the size of a batch.

        Args:
            images: RGB images of one size, one or more.
            merger: Merger of an enclosing ensemble; by default that of the protocol.
        """
        merger = merger or self.protocol.merger
        resize = self.decoding.resize
        prepared = [
            self._normalised(image if resize is None else resize_image(image, resize))
            for image in images
        ]
        size = (images[0].shape[0], images[0].shape[1])
        batch = prepared[0] if len(prepared) == 1 else torch.cat(prepared)
        own = self.protocol.scores(self._network, batch, merger)
        return merger.resize(own, size, align_corners=self._model.align_corners)

    def instance_maps(
        self, image: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]
    ) -> Float[np.ndarray, "3 H2 W2"] | None:
        """Return heat of a centre and way to the centre, in pixels; None if the model has no such heads.

        The maps are of the whole image as the only view, whatever the protocol. If the probabilities are of the same
        view, no second pass is made.

        Args:
            image: RGB image as `prepare` resizes it.
            size: (height, width) of the result, whose pixels the ways are measured in.
        """
        return offset_maps(self._network, self._normalised(image), size)

    def detections(
        self, image: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]
    ) -> Detections | None:
        """Return the maps of the attention heads, of the whole image as the only view; None without such heads.

        Args:
            image: RGB image as `prepare` resizes it.
            size: (height, width) of the result.
        """
        return detection_maps(self._network, self._normalised(image), size)

    def _normalised(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[Tensor, "1 3 H W"]:
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self._device)
        return normalise(pixels.permute(2, 0, 1)[None], mean=self._mean, std=self._std)


def labels(scores: Float[Tensor, "1 K H W"]) -> UInt8[np.ndarray, "H W"]:
    """Return the class with the highest score at each pixel."""
    ids: npt.NDArray[np.uint8] = scores[0].argmax(dim=0).to(torch.uint8).cpu().numpy()
    return ids


def load_segmenter(
    folder: Path, *, device: str = "cpu", protocol: ScoringProtocol | None = None
) -> Segmenter:
    """Load the segmenter of a bundle.

    Raises:
        BundleError: The bundle is missing, damaged or from another program.
    """
    model, card = load_bundle(folder)
    return Segmenter(model, card, device=device, protocol=protocol, name=folder.as_posix())
