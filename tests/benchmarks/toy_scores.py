"""Scores of models that nobody trained, where a study expects them."""

import numpy as np

from benchmarks.score import PREFIX, Scores
from benchmarks.study import Variant
from tests.ocrnet.conftest import write_toy_set

IMAGES = 8


def write_scores(variant: Variant, skill: dict[str, float]) -> None:
    """Write the scores of the models of some arms, of other right pixels for each seed and image.

    Args:
        variant: Variant of the models.
        skill: Share of right pixels of each arm; other arms get no scores.
    """
    for cell in variant.models:
        if cell.arm not in skill:
            continue
        rng = np.random.default_rng(cell.seed)
        pixels = rng.integers(100, 200, (IMAGES, 3))
        right = np.minimum(
            (pixels * (skill[cell.arm] + rng.uniform(-0.1, 0.1, pixels.shape))).astype(np.int64),
            pixels,
        )
        confusions = np.zeros((IMAGES, 3, 3), np.int64)
        confusions[:, [0, 1, 2], [0, 1, 2]] = right
        confusions[:, [0, 1, 2], [1, 2, 0]] = pixels - right
        names = tuple(f"test_{index:02d}" for index in range(IMAGES))
        folder = variant.data / f"{PREFIX}{cell.name}"
        folder.mkdir(parents=True, exist_ok=True)
        Scores(skill[cell.arm], confusions, names, names).write(folder)


def write_prepared(variant: Variant, images: int) -> None:
    """Write prepared data with so many training images."""
    write_toy_set(variant.data / "prepare", counts={"train": images, "val": 2, "test": 2})
