"""The reference: its sizes are those of the raw files, also where `prepare` resized the images."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ocrnet.bundles.bundle import build_model
from ocrnet.bundles.card import Decoding, ModelCard
from ocrnet.data.manifest import read_manifest
from ocrnet.drift.reference import SINGLE, Reference, read_reference
from ocrnet.errors import DataError
from ocrnet.inference.predict import Segmenter
from tests.ocrnet.conftest import CLASSES, write_toy_set
from tests.ocrnet.predict_files.bundles import OPTIONS

SIZE = (64, 80)


def segmenter(resize: tuple[int, int] | None) -> Segmenter:
    card = ModelCard("ocrnet", OPTIONS, CLASSES, decoding=Decoding(resize=resize))
    torch.manual_seed(0)
    return Segmenter(build_model(card), card)


def pixels_of(reference: Reference) -> np.ndarray:
    return reference.values[:, SINGLE.index("pixels")]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "prepare"
    return write_toy_set(folder, counts={"train": 4, "val": 2}, size=SIZE)


def test_without_a_resize_the_files_have_the_sizes_of_the_prepared_images(
    prepared: Path, tmp_path: Path
) -> None:
    found = read_reference(prepared, segmenter(None), kept=tmp_path)
    assert pixels_of(found) == pytest.approx(np.full(6, np.log10(64 * 80)))


def test_after_a_resize_the_sizes_are_those_that_validate_saw(
    prepared: Path, tmp_path: Path
) -> None:
    ids = read_manifest(prepared)["id"].tolist()
    table = prepared.parent / "validate" / "table.csv"
    table.parent.mkdir(exist_ok=True)
    rows = [f"{name},7,{1000 * (i + 1) if i else ''}" for i, name in enumerate(ids)]
    table.write_text("\n".join(["id,group,pixels", *rows]) + "\n")
    found = pixels_of(read_reference(prepared, segmenter(SIZE), kept=tmp_path))
    assert np.isnan(found[0])
    assert found[1:] == pytest.approx(np.log10([2000, 3000, 4000, 5000, 6000]))


def test_three_training_images_have_no_three_neighbours_each(tmp_path: Path) -> None:
    few = write_toy_set(tmp_path / "few", counts={"train": 3, "val": 2})
    with pytest.raises(DataError, match="found 3 training images, more than 3 are needed"):
        read_reference(few, segmenter(None), kept=tmp_path)
