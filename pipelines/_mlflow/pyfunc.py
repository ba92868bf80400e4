"""The code of a registered model: encoded images in, label maps out as palette PNG.

MLflow copies this file and the package `ocrnet` into the model, and runs the file when the model is loaded; no object
is pickled. Input is a column `image` with the bytes of a PNG, JPEG, BMP, TIFF or WebP file. Output is a column
`label_map` with the bytes of a PNG of the same size whose pixels are class ids and whose palette is the class colours.
Over HTTP both travel as base64.
"""

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class SegmenterModel(PythonModel):
    """A bundle behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle; its files lie in one folder."""
        from ocrnet.predict import load_segmenter

        self._segmenter = load_segmenter(Path(context.artifacts["weights"]).parent)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Return the label map of each row."""
        with tempfile.TemporaryDirectory() as folder:
            label_maps = [
                self._segment(bytes(content), Path(folder, f"image {row}"))
                for row, content in enumerate(model_input["image"])
            ]
        return pd.DataFrame({"label_map": label_maps})

    def _segment(self, content: bytes, path: Path) -> bytes:
        """Decode as in training, by way of a file: Pillow and OpenCV share no other door."""
        from ocrnet.errors import DataError

        path.write_bytes(content)
        try:
            label_map = self._segmenter.label_map_of_file(path)
        except DataError as error:
            raise DataError(str(error).replace(str(path), path.name)) from None
        return self._encode(label_map, path.with_suffix(".png"))

    def _encode(self, label_map: Any, path: Path) -> bytes:
        from ocrnet.data.decode import write_label_map

        table = self._segmenter.class_table
        write_label_map(path, label_map, palette=table.palette, ignore_index=table.ignore_index)
        return path.read_bytes()


set_model(SegmenterModel())
