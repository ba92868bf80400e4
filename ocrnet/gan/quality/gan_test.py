"""GAN-test: can a segmenter that was trained on real images segment generated ones?

The generator synthesizes images of the validation label maps, which it never saw, and the baseline segments them. The
ratio of its mIoU on them to its mIoU on the real validation images is near 1 if generated classes look real. The ratio
does not measure variety: a generator that repeats itself may score well.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import ClassTable, read_manifest
from ocrnet.metrics import confusion_matrix, miou, per_class_iou
from ocrnet.protocols import PainterLike, SegmenterLike
from ocrnet.runtime import layout_seed


class HeldOut(NamedTuple):
    """A validation image and a generated image of its label map.

    Args:
        id: Id of the image.
        label_map: Label map (H, W).
        real: Real image (H, W, 3).
        generated: Generated image (H, W, 3).
    """

    id: str
    label_map: npt.NDArray[np.uint8]
    real: npt.NDArray[np.uint8]
    generated: npt.NDArray[np.uint8]


def paint_held_out(prepared: Path, painter: PainterLike, *, seed: int) -> Iterator[HeldOut]:
    """Yield a generated image of each validation label map; equal seeds give equal images."""
    for index, row in read_manifest(prepared, split="val").iterrows():
        label_map = read_label_map(prepared / row["label_map"])
        generated = painter.paint(label_map, seed=layout_seed(seed, int(str(index))))
        yield HeldOut(row["id"], label_map, read_image(prepared / row["image"]), generated)


def gan_test(
    prepared: Path, painter: PainterLike, segmenter: SegmenterLike, *, seed: int
) -> dict[str, float]:
    """Return `gan_test/mIoU`, `gan_test/real_mIoU`, their ratio, and the IoU of each class on both.

    The ratio is nan if the baseline scores 0 on real images.
    """
    classes = ClassTable.read(prepared)
    painter.class_table.require_same(
        classes, place="the painter", other=str(prepared),
        cure="Run the stage train_gan on this data.",
    )  # fmt: skip
    size = (classes.num_classes, classes.num_classes)
    painted, real = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    options = {"num_classes": classes.num_classes, "ignore_index": classes.ignore_index}
    for pair in paint_held_out(prepared, painter, seed=seed):
        painted += confusion_matrix(segmenter.label_map(pair.generated), pair.label_map, **options)
        real += confusion_matrix(segmenter.label_map(pair.real), pair.label_map, **options)
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
