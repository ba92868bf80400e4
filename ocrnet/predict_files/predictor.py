"""A model that is ready to predict: `ocrnet.load("champion").predict(image)`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ocrnet.data.manifest import ClassTable
from ocrnet.errors import DataError, ParamsError
from ocrnet.export.onnx_segmenter import SUFFIX, PixelSegmenter, load_onnx
from ocrnet.inference.predict import Segmenter, labels, load_segmenter
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.predict_files.bands import ArrayRows, Band, Rows, band_fault, slide_bands
from ocrnet.predict_files.large_tiff import LargeTiff, tiff_size
from ocrnet.predict_files.objects import FoundObject, find_in_image
from ocrnet.predict_files.references import is_registered
from ocrnet.predict_files.segmentation import Segmentation
from ocrnet.runtime import pick_device


class Predictor:
    """A segmenter for raw images: files, and decoded images.

    Attributes:
        name: Name of the model, for people: the bundle's folder, or `models:/NAME/VERSION`.
        segmenter: Segmenter of the bundle.
    """

    def __init__(self, segmenter: Segmenter, *, name: str) -> None:
        self.segmenter = segmenter
        self.name = name

    @property
    def classes(self) -> ClassTable:
        """The names, the palette and the ignored id of the classes."""
        return self.segmenter.class_table

    def predict(self, image: Any) -> UInt8[np.ndarray, "H W"]:
        """Return the label map of an image, at its size.

        Args:
            image: Path of an image file, or an RGB array (H, W, 3) of uint8.

        Raises:
            DataError: The file cannot be decoded as the training images were, or the array is no RGB image.
        """
        rows = (
            self.open(Path(image)) if isinstance(image, str | Path) else ArrayRows(_checked(image))
        )
        return np.concatenate([band.label_map for band in self.bands(rows)])

    def probabilities(self, image: Any) -> Float[np.ndarray, "K H W"]:
        """Return the probability of each class at each pixel of an image, in [0, 1]; see `predict`.

        Raises:
            DataError: The file cannot be decoded as the training images were, or the array is no RGB image.
        """
        pixels = self.read(Path(image)) if isinstance(image, str | Path) else _checked(image)
        return self.finish(self.segmenter.scores_at_size(pixels))

    def objects(self, image: Any, *, min_area: int = 1) -> list[FoundObject]:
        """Return the objects of the thing classes of an image; see `predict`.

        Args:
            image: Path of an image file, or an RGB array (H, W, 3) of uint8.
            min_area: Pixels of the smallest object.

        Raises:
            DataError: The file cannot be decoded, the array is no RGB image, or the model has no thing classes.
        """
        pixels = self.read(Path(image)) if isinstance(image, str | Path) else _checked(image)
        return self.objects_in(pixels, self.probabilities(pixels), min_area=min_area)

    def objects_in(
        self,
        image: UInt8[np.ndarray, "H W 3"],
        probabilities: Float[np.ndarray, "K H W"],
        *,
        min_area: int = 1,
    ) -> list[FoundObject]:
        """Return the objects of the thing classes by the probabilities of an image; see `objects`.

        Raises:
            DataError: The model has no thing classes.
        """
        segmenter = self.segmenter
        if not segmenter.things:
            raise DataError(
                f"{self.name}: the model has no thing classes. Train it with data.things, such as "
                f"[{self.classes.class_names[-1]}]."
            )
        return find_in_image(segmenter, image, probabilities, min_area=min_area)

    def segment(self, image: Any) -> Segmentation:
        """Return the label map of an image with the confidence of each pixel; see `predict`.

        Raises:
            DataError: The file cannot be decoded as the training images were, or the array is no RGB image.
        """
        pixels = self.read(Path(image)) if isinstance(image, str | Path) else _checked(image)
        scores = self.segmenter.scores_at_size(pixels)
        return Segmentation(labels(scores), self.finish(scores).max(axis=0))

    def read(self, path: Path) -> UInt8[np.ndarray, "H W 3"]:
        """Decode an image file as `prepare` decoded the training images, at the file's size.

        Raises:
            DataError: The file cannot be decoded.
        """
        return self.segmenter.read(path)

    def open(self, path: Path) -> Rows:
        """Decode an image file like `read`, or open a TIFF file above `max_pixels` to be read by rows.

        Raises:
            DataError: The file cannot be decoded, or it is too large for the model and its protocol.
        """
        decoding = self.segmenter.decoding
        size = tiff_size(path)
        if size is None or size[0] * size[1] <= decoding.max_pixels:
            return ArrayRows(self.read(path))
        if fault := band_fault(self.segmenter):
            raise DataError(
                f"E124 {path}: {size[1]} x {size[0]} pixels, allowed are {decoding.max_pixels} at once. {fault}."
            )
        return LargeTiff(path, decoding)

    def bands(self, rows: Rows) -> Iterator[Band]:
        """Predict an image from top to bottom; a sliding window keeps the scores of one band in memory."""
        if self.segmenter.protocol.window is not None and band_fault(self.segmenter) is None:
            yield from slide_bands(self.segmenter, rows)
        else:
            image = rows.read(0, rows.height)
            yield Band(image, labels(self.segmenter.scores_at_size(image)))

    def finish(self, scores: Float[Tensor, "1 K H W"]) -> Float[np.ndarray, "K H W"]:
        """Return scores as probabilities, in [0, 1].

        Raises:
            ParamsError: The model is an exported file that gives none.
        """
        require_probabilities(self.segmenter)
        return self.segmenter.protocol.merger.finish(scores)[0].cpu().numpy()


def load(
    model: str | Path = "champion",
    *,
    device: str | None = None,
    protocol: ScoringProtocol | None = None,
) -> Predictor:
    """Load a model for prediction.

    Args:
        model: Folder of a bundle; an exported ONNX file; champion or challenger, which are versions of the registered
            model of `params.yaml`; or `models:/NAME/VERSION` or `models:/NAME@ALIAS`.
        device: One of cpu, cuda and cuda:N; None is the GPU if there is one, else the CPU.
        protocol: Windows, scales and mirroring; None scores whole images.

    Raises:
        ParamsError: The device or the name of the model is not valid.
        DataError: The registry does not have the version.
        BundleError: The bundle is missing, damaged or from another program.
        StoreError: MLflow is not installed or does not answer.
    """
    place = str(pick_device()) if device is None else checked_device(device)
    if isinstance(model, Path) or not is_registered(model):
        folder = Path(model)
        if folder.suffix == SUFFIX and not folder.is_dir():
            return _loaded_file(folder, device, protocol)
        return _loaded(folder, folder.as_posix(), place, protocol)
    # The one thing that the library needs from `pipelines`, which knows the registry; pyproject.toml allows it.
    from pipelines._mlflow.registered_model import registered_bundle

    with registered_bundle(model) as (folder, name):
        return _loaded(folder, name, place, protocol)


def require_probabilities(segmenter: Segmenter) -> None:
    """Check that a model gives probabilities.

    Raises:
        ParamsError: It is an exported file that gives label maps alone.
    """
    if not segmenter.has_probabilities:
        raise ParamsError(
            f"{segmenter.name}: the file gives no probabilities. Export the model with --probabilities or --raw."
        )


def checked_device(name: str) -> str:
    """Return the name of a device that this machine has.

    Raises:
        ParamsError: The machine has no such device.
    """
    known = ["cpu"]
    if torch.cuda.is_available():
        known += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name not in known:
        raise ParamsError(f"--device: found {name!r}. Give one of: {', '.join(known)}.")
    return name


def _loaded(folder: Path, name: str, device: str, protocol: ScoringProtocol | None) -> Predictor:
    segmenter = load_segmenter(folder, device=device, protocol=protocol)
    return Predictor(segmenter, name=name)


def _loaded_file(path: Path, device: str | None, protocol: ScoringProtocol | None) -> Predictor:
    if device not in (None, "cpu"):
        raise ParamsError(f"--device: found {device!r}, but {path} runs on the CPU. Leave it out.")
    segmenter = load_onnx(path, protocol=protocol)
    resize = segmenter.decoding.resize
    if isinstance(segmenter, PixelSegmenter) and resize is not None:
        raise ParamsError(
            f"{path}: its label maps have {resize[0]} x {resize[1]} pixels (prepare.resize), not the size of an image. "
            "Export the model with --raw."
        )
    return Predictor(segmenter, name=path.as_posix())


def _checked(image: Any) -> UInt8[np.ndarray, "H W 3"]:
    found = np.asarray(image)
    if found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != 3 or 0 in found.shape:
        raise DataError(
            f"image: found {found.dtype} of shape {list(found.shape)}. Give a path, or an RGB array (H, W, 3) of uint8."
        )
    return found
