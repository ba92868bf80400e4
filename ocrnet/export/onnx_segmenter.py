"""An exported ONNX file as a segmenter, with ONNX Runtime on the CPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ocrnet.data.manifest import file_sha256
from ocrnet.errors import BundleError, DataError, ParamsError
from ocrnet.export.card import CURE, read_export_card
from ocrnet.export.network import file_input
from ocrnet.export.packages import TO_RUN, require_packages
from ocrnet.inference.predict import Segmenter
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.inference.view_merging import Merger
from ocrnet.models.attention_heads import Detections
from ocrnet.models.head_maps import offsets_at
from ocrnet.models.output import SegmentationModel, SegmenterOutput, padded_side
from ocrnet.models.shares import ATTENTION

SUFFIX = ".onnx"
LEAST_SHARE = 1e-30  # a probability of 0 has no logarithm


class OnnxFile:
    """A session of ONNX Runtime and the card of its file.

    Args:
        path: Path of the file.

    Attributes:
        card: Card of the file.

    Raises:
        ParamsError: onnxruntime is not installed.
        BundleError: The file is missing or damaged, or has no card of this project.
    """

    def __init__(self, path: Path) -> None:
        require_packages(TO_RUN, purpose=path.as_posix())
        import onnxruntime

        if not path.is_file():
            raise BundleError(f"{path}: no such file. {CURE}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors have no base class
            reason = " ".join(str(error).split())[:200]
            raise BundleError(f"{path}: cannot be read ({reason}). {CURE}") from error
        self._path = path
        self.card = read_export_card(dict(self._session.get_modelmeta().custom_metadata_map), path)

    def run(self, values: np.ndarray) -> list[Any]:
        """Return the outputs for a batch in the layout of the file.

        Raises:
            DataError: The file is for images of one size, and these have another.
        """
        size = self.card.size
        first = 1 if self.card.layout == "nhwc" and not self.card.is_raw else 2
        found = values.shape[first], values.shape[first + 1]
        if size is not None and found != size:
            raise DataError(
                f"E124 {self._path}: takes images of {size[0]} x {size[1]} pixels, found {found[0]} x {found[1]}. "
                "Give images of that size, or export the model without --size."
            )
        outputs: list[Any] = self._session.run(None, {self._session.get_inputs()[0].name: values})
        return outputs


class OnnxNetwork(SegmentationModel):
    """A raw file in the place of a network: logits have the size of the images."""

    align_corners = False

    def __init__(self, file: OnnxFile) -> None:
        super().__init__()
        self._file = file

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> SegmenterOutput:
        """Return the logits of normalised images."""
        logits = self._file.run(np.ascontiguousarray(images.numpy()))[0]
        return SegmenterOutput(torch.from_numpy(logits), None)


class FileSegmenter(Segmenter):
    """A file in the place of a network, whose instance heads are those of the file.

    Args:
        file: Exported file.
        sha256: SHA-256 of the file.
        protocol: Windows, scales and mirroring; None scores whole images.
        name: Name in messages.
    """

    def __init__(
        self, file: OnnxFile, *, sha256: str, name: str, protocol: ScoringProtocol | None = None
    ) -> None:
        card = file.card.model_card(sha256)
        super().__init__(OnnxNetwork(file), card, protocol=protocol, name=name)
        self._file = file

    def instance_maps(
        self, image: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]
    ) -> Float[np.ndarray, "3 H2 W2"] | None:
        """Return heat of a centre and way to the centre; None if the file gives none. See `Segmenter`."""
        if self._file.card.instances != "offsets":
            return None
        return offsets_at(self._maps(image), size)

    def detections(
        self, image: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]
    ) -> Detections | None:
        """Return the maps of the attention heads; None if the file gives none. See `Segmenter`."""
        card = self._file.card
        if card.instances != ATTENTION:
            return None
        maps = self._maps(image)[0].numpy()
        scale = (size[0] / image.shape[0], size[1] / image.shape[1])
        height, width = (
            padded_side(side, card.multiple) / cells * factor
            for side, cells, factor in zip(image.shape, maps.shape[1:], scale, strict=False)
        )
        return Detections(maps, (height, width), scale)

    def _maps(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[Tensor, "1 D h w"]:
        return torch.from_numpy(self._file.run(file_input(self._file.card, image))[-1])


class PixelSegmenter(FileSegmenter):
    """A file with its pre- and post-processing inside: whole images alone.

    Args:
        file: File of pixels in, label maps out.
        sha256: SHA-256 of the file.
        name: Name in messages.
    """

    def __init__(self, file: OnnxFile, *, sha256: str, name: str) -> None:
        super().__init__(file, sha256=sha256, name=name)
        self.has_probabilities = file.card.probabilities

    def label_map(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
        """Return the label map that the file gives."""
        found: UInt8[np.ndarray, "H W"] = self._outputs([image])[0][0]
        return found

    def scores(
        self, image: UInt8[np.ndarray, "H W 3"], *, merger: Merger | None = None
    ) -> Float[Tensor, "1 K H W"]:
        """Return the scores of an image; see `batch_scores`."""
        return self.batch_scores([image], merger=merger)

    def batch_scores(
        self, images: Sequence[UInt8[np.ndarray, "H W 3"]], *, merger: Merger | None = None
    ) -> Float[Tensor, "B K H W"]:
        """Return the logarithms of the probabilities; where the file gives none, 1 for the label and 0 for all others.

        Args:
            images: RGB images of one size, one or more.
            merger: Unused: there is one view.
        """
        label_maps, *others = self._outputs(images)
        if self._file.card.probabilities:
            return torch.from_numpy(others[0]).clamp_min(LEAST_SHARE).log()
        classes = torch.arange(self.class_table.num_classes).view(1, -1, 1, 1)
        return (torch.from_numpy(label_maps)[:, None] == classes).float()

    def _outputs(self, images: Sequence[UInt8[np.ndarray, "H W 3"]]) -> list[Any]:
        pixels = np.stack(images)
        if self._file.card.layout == "nchw":
            pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        return self._file.run(pixels)


def load_onnx(path: Path, *, protocol: ScoringProtocol | None = None) -> Segmenter:
    """Load an exported file as a segmenter.

    Args:
        path: Path of the file.
        protocol: Windows, scales and mirroring; None scores whole images.

    Raises:
        ParamsError: onnxruntime is not installed, or the protocol needs logits, which the file does not give.
        BundleError: The file is missing or damaged, or has no card of this project.
    """
    file = OnnxFile(path)
    sha256, name = file_sha256(path), path.as_posix()
    if file.card.is_raw:
        return FileSegmenter(file, sha256=sha256, protocol=protocol, name=name)
    if protocol is not None and not protocol.is_whole:
        raise ParamsError(
            f"{path}: the file gives label maps, but --window, --scales and --flip merge logits. Leave them out, or "
            "export the model with --raw."
        )
    return PixelSegmenter(file, sha256=sha256, name=name)
