"""A small prepared data set, made by hand: bright squares (class 1) and rare dots (class 2) on noise."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ocrnet.config import Params
from ocrnet.data.decode import write_image, write_label_map
from ocrnet.data.manifest import ClassTable, count_pixels, file_sha256, write_manifest
from tests.base_params import params_with

CLASSES = ClassTable(("floor", "square", "dot"), ((0, 0, 0), (128, 0, 0), (0, 128, 0)))


def toy_params(**train: object) -> Params:
    """Return params of a training that takes seconds."""
    recipe = {
        "steps": 8, "batch_size": 4, "lr": 0.002, "warmup_steps": 2, "val_interval": 4, "checkpoint_interval": 2,
        "log_interval": 2, **train,
    }  # fmt: skip
    return params_with({
        "data": {
            "source": "folder", "path": "raw", "classes": list(CLASSES.class_names), "crop_size": [64, 64],
        },
        "model": {"mid_channels": 16, "key_channels": 8},
        "train": recipe,
    })  # fmt: skip


def write_toy_set(
    folder: Path, *, counts: dict[str, int], size: tuple[int, int] = (64, 80)
) -> Path:
    """Write a prepared set with so many images per split."""
    rng = np.random.default_rng(0)
    for name in ("images", "label_maps"):
        (folder / name).mkdir(parents=True)
    rows = []
    for split, count in counts.items():
        for index in range(count):
            label_map = np.zeros(size, np.uint8)
            top, left = rng.integers(0, size[0] - 30), rng.integers(0, size[1] - 30)
            label_map[top : top + 24, left : left + 24] = 1
            label_map[top + 4 : top + 9, left + 4 : left + 9] = 2
            label_map[-2:] = CLASSES.ignore_index
            image = rng.integers(0, 60, (*size, 3)).astype(np.uint8)
            image[label_map == 1] += np.array([150, 120, 0], np.uint8)
            image[label_map == 2] += np.array([0, 0, 180], np.uint8)
            rows.append(_row(folder, f"{split}_{index:02d}", split, image, label_map))
    write_manifest(folder, pd.DataFrame(rows))
    CLASSES.write(folder)
    return folder


def _row(
    folder: Path, name: str, split: str, image: np.ndarray, label_map: np.ndarray
) -> dict[str, object]:
    image_path, label_path = Path("images", f"{name}.png"), Path("label_maps", f"{name}.png")
    write_image(folder / image_path, image)
    write_label_map(
        folder / label_path, label_map, palette=CLASSES.palette, ignore_index=CLASSES.ignore_index
    )
    return {
        "id": name, "split": split, "group": name, "image": image_path.as_posix(),
        "label_map": label_path.as_posix(), "height": image.shape[0], "width": image.shape[1], "origin": "real",
        "image_sha256": file_sha256(folder / image_path),
        "label_map_sha256": file_sha256(folder / label_path), "raw_image": "", "raw_label_map": "",
        **count_pixels(label_map, CLASSES.class_names, ignore_index=CLASSES.ignore_index),
    }  # fmt: skip


@pytest.fixture(scope="session")
def toy_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set of 8 training, 4 validation and 4 test images."""
    return write_toy_set(tmp_path_factory.mktemp("toy"), counts={"train": 8, "val": 4, "test": 4})
