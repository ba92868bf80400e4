"""Edits of the page: the GAN repaints what was edited and keeps the rest, and each step is a pair of files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import DataError
from ocrnet.gan.generator.network import Generator
from ocrnet.gan.generator.painter import Painter, load_painter, save_painter
from pipelines._serve import edits as edits_module
from pipelines._serve.edits import Edits, load_edits
from pipelines._serve.models import BusyError, load_models
from tests.ocrnet.conftest import CLASSES, write_toy_set
from tests.pipelines.test_paint import TINY

from .served import blobs


def write_gan(folder: Path, classes: ClassTable = CLASSES) -> Path:
    torch.manual_seed(0)
    painter = Painter(Generator(classes.num_classes, TINY), classes)
    save_painter(folder, painter, arch="oasis", preset_name="cpu-demo")
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set and a GAN of its classes."""
    root = tmp_path_factory.mktemp("edits")
    write_toy_set(root / "prepare", counts={"train": 2, "val": 1, "test": 2})
    write_gan(root / "gan")
    return root


def edits_of(root: Path, folder: Path) -> Edits:
    return Edits(load_painter(root / "gan"), [], root / "prepare", folder)


def test_an_edit_changes_its_region_and_keeps_the_rest(root: Path, tmp_path: Path) -> None:
    edits = edits_of(root, tmp_path)
    assert edits.test_ids() == ["test_00", "test_01"]
    pair = edits.start_with_test_image("test_00")
    assert np.array_equal(pair.image, read_image(root / "prepare/images/test_00.png"))
    edited = pair.label_map
    edited[50:56, 60:70] = 2
    after = edits.repaint(pair, edited, seed=0)
    differs = (after.image != pair.image).any(axis=2)
    assert differs[50:56, 60:70].mean() > 0.9
    differs[45:61, 55:75] = False  # the rim is less than five pixels wide
    assert not differs.any()
    assert np.array_equal(read_label_map(after.label_map_path), edited)
    assert np.array_equal(edits.repaint(pair, edited, seed=0).image, after.image)
    assert not np.array_equal(edits.repaint(pair, edited, seed=1).image, after.image)


def test_an_uploaded_image_gets_the_label_map_of_the_model(
    root: Path, bundles: Path, tmp_path: Path
) -> None:
    models = load_models([str(bundles / "1")], device="cpu", queue=1)
    edits = load_edits(root / "gan", models, tmp_path / "nothing", tmp_path / "files")
    assert edits.test_ids() == []
    path = tmp_path / "part.png"
    Image.fromarray(blobs(1, (70, 90))).save(path)
    pair = edits.start_with_file(path)
    assert np.array_equal(pair.label_map, models[0].predictor.predict(path))
    assert pair.image_path.name == "part.png"


def test_what_cannot_be_edited_is_told(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = edits_of(root, tmp_path)
    pair = edits.start_with_test_image("test_00")
    with pytest.raises(DataError, match="nothing was edited"):
        edits.repaint(pair, pair.label_map, seed=0)
    with pytest.raises(DataError, match="no test image has this id"):
        edits.start_with_test_image("../images/train_00")
    with pytest.raises(DataError, match="no model has the classes of the GAN"):
        edits.start_with_file(tmp_path / "x.png")
    monkeypatch.setattr(edits_module, "EDIT_PIXELS", 100)
    with pytest.raises(DataError, match=r"test_00: \d+ x \d+ pixels, the editor takes 100"):
        edits.start_with_test_image("test_00")


def test_too_many_edits_at_once_are_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edits_module, "WAITING", 0)
    edits = edits_of(root, tmp_path)
    pair = edits.start_with_test_image("test_00")
    with pytest.raises(BusyError, match="the GAN: 0 images are being predicted or wait"):
        edits.repaint(pair, pair.label_map, seed=0)


def test_a_gan_of_other_classes_is_refused(root: Path, bundles: Path, tmp_path: Path) -> None:
    names = ("sky", "road", "car")
    write_gan(tmp_path / "other", ClassTable(names, CLASSES.palette, CLASSES.ignore_index))
    models = load_models([str(bundles / "1")], device="cpu", queue=1)
    with pytest.raises(DataError, match=r"has the classes \['sky', 'road', 'car'\] of the GAN"):
        load_edits(tmp_path / "other", models, root, tmp_path / "files")
