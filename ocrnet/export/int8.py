"""An ONNX file with convolutions in 8 bits, by static quantisation (arXiv:1712.05877) with ONNX Runtime.

The range of each map is measured on images that the model was not trained on. Weights are symmetric and have a scale
per output channel; activations are asymmetric. Only convolutions change: softmax, resizing and attention stay in
float32.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from ocrnet.data.files import whole_file
from ocrnet.errors import DataError
from ocrnet.export.card import ExportCard
from ocrnet.export.network import file_input
from ocrnet.export.trace import quiet
from ocrnet.export.write_file import INPUT, set_card

QUANTISED = ["Conv"]


def write_int8(
    source: Path, target: Path, card: ExportCard, images: Sequence[npt.NDArray[np.uint8]]
) -> None:
    """Write the 8-bit form of an exported file.

    Args:
        source: File in float32.
        target: Path of the new file.
        card: Card of the source.
        images: RGB images (H, W, 3) that the ranges are measured on.

    Raises:
        DataError: There is no image.
    """
    if not images:
        raise DataError(
            "--int8: there is no image to measure ranges on. Give a folder with --images."
        )
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )  # fmt: skip
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        """The images, one at a time."""

        def __init__(self) -> None:
            self._inputs: Iterator[npt.NDArray[Any]] = (file_input(card, one) for one in images)

        def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
            """Return the next input; None at the end."""
            found = next(self._inputs, None)
            return None if found is None else {INPUT: found}

    with TemporaryDirectory(prefix="ocrnet-int8-") as folder, quiet():
        prepared, made = Path(folder, "prepared.onnx"), Path(folder, "int8.onnx")
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared, made, Reader(), quant_format=QuantFormat.QDQ, op_types_to_quantize=QUANTISED,
            per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )  # fmt: skip
        proto = onnx.load(made)
    set_card(proto, replace(card, precision="int8"))
    with whole_file(target) as partial:
        partial.write_bytes(proto.SerializeToString())
