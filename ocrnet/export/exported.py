"""The record of an exported file: a JSON file of its name and `.json` beside it."""

import json
import math
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ocrnet.data.files import write_whole
from ocrnet.data.manifest import file_sha256
from ocrnet.export.card import ExportCard
from ocrnet.export.comparison import LEAST_EQUAL, MOST_LOST, MOST_OFF, Agreement

PACKAGES = ("torch", "timm", "onnx", "onnxruntime", "onnxscript")


@dataclass(frozen=True)
class Exported:
    """An exported file and what came of its comparison.

    Args:
        path: Path of the file.
        kind: Format: onnx or torch_export.
        card: Card of the file.
        opset: Version of ONNX's operators; None for another format.
        agreement: Comparison with the model.
        latency_s: Median seconds for an image, by the file and by the model, on one thread.
    """

    path: Path
    kind: str
    card: ExportCard
    opset: int | None
    agreement: Agreement
    latency_s: tuple[float, float]

    @property
    def is_good(self) -> bool:
        """Whether the file may stand for the model."""
        return self.agreement.is_good(is_int8=self.card.precision == "int8")

    @property
    def megabytes(self) -> float:
        """Size of the file, in units of a million bytes."""
        return self.path.stat().st_size / 1e6

    @property
    def ratio(self) -> float:
        """Latency of the file over that of the model."""
        return self.latency_s[0] / self.latency_s[1]

    @property
    def fault(self) -> str:
        """Why the file may not stand for the model, in one line."""
        found = self.agreement
        if not found.has_good_maps:
            off = 100 * (found.off or 0)
            return (
                f"{self.path}: the maps of the instance heads differ from the model's by {off:.3f} % of their largest "
                f"value, allowed are {100 * MOST_OFF:g} %. Do not use the file; try another --opset, or leave out "
                "--objects."
            )
        is_int8 = self.card.precision == "int8"
        if is_int8 and found.miou is not None:
            model, file = (100 * value for value in found.miou)
            return (
                f"{self.path}: mIoU {file:.2f} %, that of the model is {model:.2f} %: more than {100 * MOST_LOST:g} "
                "points are lost. Use the file in float32, or give more images with --images."
            )
        cure = (
            "Use the file in float32, or give label maps with the images, which allow a small loss of mIoU."
            if is_int8
            else "Do not use the file; another --opset, --size or backbone may give a better one."
        )
        return (
            f"{self.path}: {100 * found.share:.3f} % of {found.pixels} pixels have the class of the model, wanted are "
            f"{100 * LEAST_EQUAL:g} %. {cure}"
        )


def record_path(path: Path) -> Path:
    """Return the path of the record of a file.

    Examples:
        >>> record_path(Path("out/model.onnx")).as_posix()
        'out/model.onnx.json'
    """
    return path.with_name(f"{path.name}.json")


def record_of(exported: Exported) -> dict[str, Any]:
    """Return the record of a file."""
    found = exported.agreement
    model, file = found.miou or (math.nan, math.nan)
    return {
        "file": exported.path.name,
        "sha256": file_sha256(exported.path),
        "bytes": exported.path.stat().st_size,
        "format": exported.kind,
        "opset": exported.opset,
        "card": asdict(exported.card),
        "agreement": {
            "is_good": exported.is_good,
            "label_maps": found.images,
            "pixels": found.pixels,
            "equal_pixels": found.share,
            "miou_of_model": None if math.isnan(model) else model,
            "miou_of_file": None if math.isnan(file) else file,
            "head_maps_off": found.off if found.off is None or math.isfinite(found.off) else None,
        },
        "latency_s": {"file": exported.latency_s[0], "model": exported.latency_s[1]},
        "packages": {name: _version(name) for name in PACKAGES},
    }


def write_record(exported: Exported) -> Path:
    """Write the record of a file beside it, and return its path."""
    path = record_path(exported.path)
    write_whole(path, json.dumps(record_of(exported), indent=1) + "\n")
    return path


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
