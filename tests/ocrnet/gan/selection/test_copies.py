"""Pairs that repeat a training image are found, dropped and shown."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image

from ocrnet.config import SelectParams
from ocrnet.data.decode import read_image, write_image
from ocrnet.data.manifest import read_manifest
from ocrnet.gan.quality.features import FeatureBank
from ocrnet.gan.selection.select import select_pairs
from ocrnet.gan.selection.sheet import write_neighbours
from ocrnet.record import Recorder
from tests.base_params import section_with
from tests.ocrnet.gan.selection.selected import random_conv, select, synthesize
from tests.ocrnet.gan.street import (
    SHAPE,
    ColourReader,
)
from tests.ocrnet.gan.tinted import TintedPainter, write_tinted_street

Pixels = npt.NDArray[np.uint8]
GRAIN = np.random.default_rng(0).integers(-2, 3, (*SHAPE, 3))
COPIES: dict[str, Callable[[Pixels], Pixels]] = {
    "exact": lambda image: image,
    "noisy": lambda image: np.clip(image.astype(np.int64) + GRAIN, 0, 255).astype(np.uint8),
    "mirrored": lambda image: image[:, ::-1],
    "brighter": lambda image: np.clip(image.astype(np.int64) + 10, 0, 255).astype(np.uint8),
    "bluer": lambda image: np.clip(image + np.array([0, 0, 30]), 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_of_a_training_image_is_dropped_with_its_original(tmp_path: Path, kind: str) -> None:
    """As it is, mirrored or altered; paintings of training label maps in another style stay."""
    prepared = write_tinted_street(tmp_path / "prepare")
    pairs = synthesize(prepared, tmp_path / "synthesize", TintedPainter())
    original = read_image(prepared / "images" / "train_04.png")
    write_image(pairs / "images" / "gan_00002.png", COPIES[kind](original))
    near_duplicate = section_with(SelectParams).near_duplicate
    metrics = select(
        prepared, pairs, tmp_path / "select", real_rejection=0.0, near_duplicate=near_duplicate
    )
    assert (metrics["select/kept"], metrics["select/near_copies"]) == (7, 1)
    (row,) = pd.read_csv(tmp_path / "select" / "rejected.csv").to_dict("records")
    assert (row["id"], row["original"]) == ("gan_00002", "train_04")
    assert "of its detail is its own, select.near_duplicate is" in row["why"]


def test_near_duplicate_0_looks_for_no_copy(tmp_path: Path) -> None:
    prepared = write_tinted_street(tmp_path / "prepare")
    pairs = synthesize(prepared, tmp_path / "synthesize", TintedPainter())
    write_image(
        pairs / "images" / "gan_00002.png", read_image(prepared / "images" / "train_04.png")
    )
    features = FeatureBank(random_conv())
    for near_duplicate, asked in ((0.0, 0), (0.25, 1)):
        params = section_with(SelectParams, near_duplicate=near_duplicate, real_rejection=0.0)
        out = tmp_path / str(near_duplicate)
        metrics = select_pairs(
            prepared, pairs, params, segmenter=ColourReader(), features=features, out=out,
            recorder=Recorder(out),
        )  # fmt: skip
        assert metrics["select/near_copies"] == (1.0 if near_duplicate else 0.0)
        assert features.passes == asked


def test_the_sheet_of_neighbours_begins_with_the_copy_and_its_original_mirrored_as_it_is(
    tmp_path: Path,
) -> None:
    prepared = write_tinted_street(tmp_path / "prepare")
    pairs = synthesize(prepared, tmp_path / "synthesize", TintedPainter())
    mirrored = read_image(prepared / "images" / "train_04.png")[:, ::-1]
    write_image(pairs / "images" / "gan_00002.png", mirrored)
    write_neighbours(tmp_path, prepared, pairs, FeatureBank(random_conv()))
    sheet = read_image(tmp_path / "neighbours.jpg").astype(np.int64)
    tile = sheet.shape[1] // 4  # two blocks of a painting and its training image
    painting, original, other = (sheet[:200, i * tile : (i + 1) * tile] for i in range(3))
    assert np.abs(painting - original).mean() < 2 < np.abs(painting - other).mean()


def test_a_painting_and_its_training_image_may_differ_in_shape(tmp_path: Path) -> None:
    """An upright painting repeats the detail of an image taken across: the strip is as high as the higher tile."""
    prepared = write_tinted_street(tmp_path / "prepare")
    pairs = synthesize(prepared, tmp_path / "synthesize", TintedPainter())
    original = Image.fromarray(read_image(prepared / "images" / "train_04.png"))
    for name in read_manifest(pairs)["image"]:
        write_image(pairs / name, np.asarray(original.resize((48, 64))))
    write_neighbours(tmp_path, prepared, pairs, FeatureBank(random_conv()))
    sheet = read_image(tmp_path / "neighbours.jpg")
    assert SHAPE[0] * 256 // SHAPE[1] < 341
    assert sheet.shape == (4 * 345, 2 * 2 * (256 + 4), 3)
