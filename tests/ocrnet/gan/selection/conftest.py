"""The set that pairs are selected for."""

from pathlib import Path

import numpy as np
import pytest

from ocrnet.data.decode import read_image, write_image
from tests.ocrnet.gan.street import (
    SHAPE,
    write_street,
)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A set whose photographs have noise: without, no real pixel would lose anything."""
    folder = write_street(tmp_path / "prepare", val=8)
    for index, path in enumerate(sorted((folder / "images").glob("*.png"))):
        noise = np.random.default_rng(index).integers(-12, 13, (*SHAPE, 3))
        write_image(path, np.clip(read_image(path) + noise, 0, 255).astype(np.uint8))
    return folder
