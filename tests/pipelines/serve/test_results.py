"""Predictions of the page are computed once, and kept for a while."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocrnet.data.decode import read_image
from ocrnet.predict_files.segmentation import Segmentation, class_areas
from pipelines._serve import results as results_module
from pipelines._serve.models import ServedModel, load_models
from pipelines._serve.pictures import VIEWS, picture, picture_file
from pipelines._serve.results import Results
from tests.ocrnet.conftest import CLASSES

from .served import blobs

SIZE = (70, 90)


@pytest.fixture(scope="module")
def model(bundles: Path) -> ServedModel:
    return load_models([str(bundles / "1")], device="cpu", queue=8)[0]


def images(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{index}.png" for index in range(count)]
    for seed, path in enumerate(paths):
        Image.fromarray(blobs(seed, SIZE)).save(path)
    return paths


def test_areas_are_counted_by_hand() -> None:
    label_map = np.array([[0, 0, 2], [2, 2, 0]], dtype=np.uint8)
    confidence = np.array([[0.5, 1.0, 0.25], [0.5, 0.75, 0.75]], dtype=np.float32)
    floor, square, dot = class_areas(Segmentation(label_map, confidence), CLASSES)
    assert (floor.pixels, floor.share, floor.confidence) == (3, 0.5, 0.75)
    assert (square.pixels, square.share, square.confidence) == (0, 0.0, None)
    assert (dot.name, dot.pixels, dot.confidence) == ("dot", 3, 0.5)


def test_many_events_for_one_image_give_one_result(model: ServedModel, tmp_path: Path) -> None:
    (path,) = images(tmp_path, 1)
    results = Results(tmp_path / "results")
    with ThreadPoolExecutor(6) as events:
        found = list(events.map(lambda _: results.find(model, path), range(6)))
    expected = model.predictor.predict(path)
    assert all(np.array_equal(one.label_map, expected) for one in found)
    assert found[0].path.name == "0_label_map.png"
    assert len(list((tmp_path / "results").iterdir())) == 1


def test_the_oldest_results_are_deleted(
    model: ServedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_module, "KEPT", 3)
    results = Results(tmp_path / "results")
    found = []
    for age, path in zip((50, 40, 5000, 30, 0), images(tmp_path, 5), strict=True):
        found.append(results.find(model, path))
        then = time.time() - age
        os.utime(found[-1].path.parent, (then, then))
    kept = [one.path.exists() for one in found]
    assert kept == [False, True, False, True, True]


@pytest.mark.parametrize("view", VIEWS)
def test_a_file_that_a_browser_may_be_reading_is_not_written_again(
    view: str, tmp_path: Path
) -> None:
    image, label_map = blobs(0, SIZE), np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % 3
    parts = (image, label_map.astype(np.uint8), CLASSES, view)
    with ThreadPoolExecutor(6) as events:
        (path,) = set(events.map(lambda _: picture_file(tmp_path, *parts), range(6)))
    written = os.stat(path)
    assert np.array_equal(read_image(Path(path)), picture(*parts))
    assert picture_file(tmp_path, *parts) == path
    assert (os.stat(path).st_ino, os.stat(path).st_mtime_ns) == (written.st_ino, written.st_mtime_ns)  # fmt: skip
    assert [one.name for one in tmp_path.iterdir()] == [Path(path).name]
