"""A toy prepared set: sky over ground, with cars on the ground and birds in the sky.

A car never touches the sky and a bird never touches the ground in the training split. The validation and
the test split break both rules, so that a layout which used them would show it.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float, UInt8

from ocrnet.data.decode import write_image, write_label_map
from ocrnet.data.manifest import ClassTable, count_pixels, file_sha256, write_manifest

SKY, GROUND, CAR, BIRD = range(4)
CLASSES = ClassTable(
    ("sky", "ground", "car", "bird"), ((40, 90, 220), (90, 90, 90), (230, 30, 30), (250, 250, 60))
)
COLOURS = np.array(CLASSES.palette, dtype=np.uint8)
SHAPE = (48, 56)
HORIZON = 20


def scene(index: int, *, lawful: bool = True) -> npt.NDArray[np.uint8]:
    """Draw a scene: a car of 3 x 4 to 5 x 7 pixels, and in each third scene a bird of 2 x 2 or 3 x 3."""
    rng = np.random.default_rng(index)
    label_map = np.full(SHAPE, GROUND, dtype=np.uint8)
    label_map[:HORIZON] = SKY
    height, width = 3 + index % 3, 4 + index % 4
    top = int(rng.integers(HORIZON + 2, SHAPE[0] - height - 2)) if lawful else HORIZON - 2
    left = int(rng.integers(2, SHAPE[1] - width - 2))
    label_map[top : top + height, left : left + width] = CAR
    if index % 3 == 0:
        row = int(rng.integers(2, HORIZON - 4)) if lawful else HORIZON + 8
        column = int(rng.integers(2, SHAPE[1] - 4))
        side = 2 + index % 2
        label_map[row : row + side, column : column + side] = BIRD
    return label_map


def sprinkle(label_map: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    """Return a scene with specks of cars of one pixel on the ground, as hand-drawn label maps have them."""
    rng = np.random.default_rng(int(label_map.sum()))
    speckled = label_map.copy()
    while count:
        y, x = (int(rng.integers(1, side - 1)) for side in SHAPE)
        if (speckled[y - 1 : y + 2, x - 1 : x + 2] == GROUND).all():
            speckled[y, x] = CAR
            count -= 1
    return speckled


def write_street(folder: Path, *, train: int = 9, val: int = 4, specks: int = 0) -> Path:
    """Write the set as a prepared folder and return it; its images show the class colours."""
    rows = []
    for name in ("images", "label_maps"):
        (folder / name).mkdir(parents=True)
    for split, count in (("train", train), ("val", val), ("test", 1)):
        for index in range(count):
            label_map = sprinkle(scene(index, lawful=split == "train"), specks)
            item = f"{split}_{index:02d}"
            image, labels = f"images/{item}.png", f"label_maps/{item}.png"
            write_image(folder / image, COLOURS[label_map])
            write_label_map(
                folder / labels,
                label_map,
                palette=CLASSES.palette,
                ignore_index=CLASSES.ignore_index,
            )
            rows.append({
                "id": item, "split": split, "group": item, "image": image, "label_map": labels,
                "height": SHAPE[0], "width": SHAPE[1], "origin": "real",
                "image_sha256": file_sha256(folder / image),
                "label_map_sha256": file_sha256(folder / labels), "raw_image": "", "raw_label_map": "",
                **count_pixels(label_map, CLASSES.class_names, ignore_index=CLASSES.ignore_index),
            })  # fmt: skip
    CLASSES.write(folder)
    write_manifest(folder, pd.DataFrame(rows))
    return folder


class ColourPainter:
    """Paints each class in its colour, a little different for each seed; or some class in a wrong one."""

    def __init__(self, wrong: dict[int, int] | None = None, classes: ClassTable = CLASSES) -> None:
        self.class_table = classes
        self.sha256 = "c0ffee" * 10 + "beef"
        self._colours = np.array(classes.palette, dtype=np.uint8)
        for class_id, other in (wrong or {}).items():
            self._colours[class_id] = COLOURS[other]

    def paint(
        self,
        label_map: npt.NDArray[np.uint8],
        *,
        seed: int,
        before: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Return the image of a label map."""
        noise = np.random.default_rng(seed).integers(-8, 9, (*label_map.shape, 3))
        image = np.clip(self._colours[label_map] + noise, 0, 255)
        return np.asarray(image, dtype=np.uint8)

    def fill(
        self,
        image: npt.NDArray[np.uint8],
        hole: npt.NDArray[np.bool_],
        label_map: npt.NDArray[np.uint8],
        *,
        seed: int,
    ) -> npt.NDArray[np.uint8]:
        """Return an image whose hole is painted."""
        return np.where(hole[..., None], self.paint(label_map, seed=seed), image)


class ColourReader:
    """Knows a class by its colour: the softmax of the negative distance to each."""

    class_table = CLASSES
    weights_sha256 = "c01de" * 12 + "c01d"

    def probabilities(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "K H W"]:
        """Return the probability of each class at each pixel."""
        away = np.linalg.norm(image[None].astype(np.float64) - COLOURS[:, None, None], axis=-1)
        scores = np.exp(-away / 20)
        return np.asarray(scores / scores.sum(axis=0), dtype=np.float32)

    def label_map(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
        """Return the most probable class of each pixel."""
        return np.asarray(self.probabilities(image).argmax(axis=0), dtype=np.uint8)
