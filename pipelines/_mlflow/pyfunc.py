"""The code of a registered model: encoded images in, label maps out as palette PNG.

MLflow copies this file and the package `ocrnet` into the model, and runs the file when the model is loaded; no object
is pickled. Input is a column `image` with the bytes of a PNG, JPEG, BMP, TIFF or WebP file. Output is a column
`label_map` with the bytes of a PNG of the same size whose pixels are class ids and whose palette is the class colours.
Over HTTP both travel as base64.

A model with thing classes has a second column, `objects`: a list of the image's objects by falling score, each with its
class, score, box, area and run lengths. The param `min_object_area` is the number of pixels of the smallest one.
"""

import base64
import binascii
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

BYTES_PER_PIXEL = 9  # four channels of 16 bits that do not compress
LEAST_AREA = "min_object_area"  # name of the param
HEAD_BYTES = 4 << 20  # of metadata, such as a colour profile


class SegmenterModel(PythonModel):
    """A bundle behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle, whose files are in one folder."""
        from ocrnet.inference.predict import load_segmenter

        self._segmenter = load_segmenter(Path(context.artifacts["weights"]).parent)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Return the label map of each row and, of a model with thing classes, its objects."""
        from ocrnet.errors import DataError

        least = (params or {}).get(LEAST_AREA, 1)
        with tempfile.TemporaryDirectory() as folder:
            try:
                answers = [
                    self._segment(content, Path(folder, f"image {row}"), least)
                    for row, content in enumerate(model_input["image"])
                ]
            except DataError as error:
                # For any other error MLflow answers with code and paths of the server.
                words = str(error).replace(f"{folder}/", "")
                raise MlflowException(words, error_code=INVALID_PARAMETER_VALUE) from None
        columns = ["label_map", "objects"] if self._segmenter.things else ["label_map"]
        return pd.DataFrame(answers, columns=columns)

    def _segment(self, content: Any, path: Path, least: int) -> tuple[Any, ...]:
        """Decode as in training, by way of a file that both Pillow and OpenCV read."""
        path.write_bytes(self._bytes(content, path.name))
        if self._segmenter.things:
            return self._segment_objects(path, least)
        label_map = self._segmenter.label_map_of_file(path)
        return (self._encode(label_map, path.with_suffix(".png")),)

    def _segment_objects(self, path: Path, least: int) -> tuple[bytes, list[dict[str, Any]]]:
        """Return the label map and the objects of a file, by one set of scores."""
        from ocrnet.errors import DataError
        from ocrnet.inference.predict import labels
        from ocrnet.predict_files.objects import find_in_image

        if least < 1:
            raise DataError(f"{LEAST_AREA}: found {least}. Send 1 or more.")
        segmenter = self._segmenter
        image = segmenter.read(path)
        scores = segmenter.scores_at_size(image)
        probabilities = segmenter.protocol.merger.finish(scores)[0].cpu().numpy()
        found = find_in_image(segmenter, image, probabilities, min_area=least)
        label_map = self._encode(labels(scores), path.with_suffix(".png"))
        return label_map, [one.answer for one in found]

    def _bytes(self, content: Any, name: str) -> bytes:
        """Return the bytes of a file; refuse one that is longer than an image of the allowed size can be."""
        from ocrnet.errors import DataError

        if not isinstance(content, bytes | bytearray | str):
            raise DataError(f"{name} is {type(content).__name__}. Send the bytes of an image file.")
        limit = HEAD_BYTES + BYTES_PER_PIXEL * self._segmenter.decoding.max_pixels
        longest = limit * 4 // 3 + 4 if isinstance(content, str) else limit
        if len(content) > longest:
            raise DataError(
                f"{name} is {len(content)} bytes long, allowed are {longest}. Send it smaller."
            )
        if isinstance(content, str):  # base64 that MLflow did not decode
            try:
                return base64.b64decode(content, validate=True)
            except (binascii.Error, ValueError):
                raise DataError(f"{name} is text, but no base64. Encode its bytes.") from None
        return bytes(content)

    def _encode(self, label_map: Any, path: Path) -> bytes:
        from ocrnet.data.decode import write_label_map

        table = self._segmenter.class_table
        write_label_map(path, label_map, palette=table.palette, ignore_index=table.ignore_index)
        return path.read_bytes()


set_model(SegmenterModel())
