"""The GAN test: can a segmenter that was trained on real images segment painted ones?

Label maps of the validation split, which the generator never saw, are painted and segmented by the
baseline. Its mIoU on them over its mIoU on the real validation images is near 1 where painted classes look
as real ones do. It says nothing about variety: a generator that repeats itself may score well.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from jaxtyping import UInt8

from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import ClassTable, read_manifest
from ocrnet.gan.layouts.synthesize import LayoutPainter, check_classes
from ocrnet.metrics import confusion_matrix, miou, per_class_iou
from ocrnet.runtime import layout_seed


@runtime_checkable
class Reader(Protocol):
    """A trained segmenter."""

    def label_map(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
        """Return the class of each pixel."""


class HeldOut(NamedTuple):
    """A validation image and a painting of its label map."""

    id: str
    label_map: npt.NDArray[np.uint8]
    photograph: npt.NDArray[np.uint8]
    painting: npt.NDArray[np.uint8]


def paint_held_out(prepared: Path, painter: LayoutPainter, *, seed: int) -> Iterator[HeldOut]:
    """Yield a painting of each validation label map, the same ones for the same seed."""
    for index, row in read_manifest(prepared, split="val").iterrows():
        label_map = read_label_map(prepared / row["label_map"])
        painting = painter.paint(label_map, seed=layout_seed(seed, int(str(index))))
        yield HeldOut(row["id"], label_map, read_image(prepared / row["image"]), painting)


def gan_test(
    prepared: Path, painter: LayoutPainter, segmenter: Reader, *, seed: int
) -> dict[str, float]:
    """Return `gan_test/mIoU`, `gan_test/real_mIoU`, their ratio, and the IoU of each class when painted.

    The ratio is nan where the baseline scores 0 on real images.
    """
    classes = ClassTable.read(prepared)
    check_classes(painter, classes, place=prepared)
    size = (classes.num_classes, classes.num_classes)
    painted, real = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    options = {"num_classes": classes.num_classes, "ignore_index": classes.ignore_index}
    for pair in paint_held_out(prepared, painter, seed=seed):
        painted += confusion_matrix(segmenter.label_map(pair.painting), pair.label_map, **options)
        real += confusion_matrix(segmenter.label_map(pair.photograph), pair.label_map, **options)
    score, reference = miou(painted), miou(real)
    ious = zip(classes.class_names, per_class_iou(painted), per_class_iou(real), strict=True)
    metrics = {
        "gan_test/mIoU": score,
        "gan_test/real_mIoU": reference,
        "gan_test/ratio": score / reference if reference > 0 else float("nan"),
    }
    for name, on_painted, on_real in ious:
        metrics[f"gan_test/IoU/{name}"] = float(on_painted)
        metrics[f"gan_test/real_IoU/{name}"] = float(on_real)
    return metrics
