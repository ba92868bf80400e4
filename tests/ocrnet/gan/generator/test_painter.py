"""The painter as files."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ocrnet.data.manifest import file_sha256
from ocrnet.errors import BundleError, DataError
from ocrnet.gan.generator.images import to_image
from ocrnet.gan.generator.network import Generator
from ocrnet.gan.generator.painter import Painter, load_painter, save_painter
from ocrnet.gan.generator.styles import noise_of_image
from tests.ocrnet.gan.generator.test_networks import TINY
from tests.ocrnet.gan.prepared import TABLE

LABEL_MAP = np.random.default_rng(0).integers(0, 2, (13, 10), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_painter(tmp_path, Painter(Generator(2, TINY), TABLE), arch="oasis", preset_name="cpu-demo")
    return tmp_path


def test_round_trip_paints_what_the_generator_paints(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = Generator(2, TINY).eval()
    z = noise_of_image(TINY, (13, 10), seed=7)
    labels = torch.from_numpy(LABEL_MAP.astype(np.int64)).unsqueeze(0)
    with torch.no_grad():
        expected = to_image(generator(labels, z)[0])

    save_painter(tmp_path, Painter(generator, TABLE), arch="oasis", preset_name="cpu-demo")
    painter = load_painter(tmp_path)

    painted = painter.paint(LABEL_MAP, seed=7)
    assert painted.shape == (13, 10, 3)
    assert np.abs(painted.astype(int) - expected).max() <= 1  # rounding at .5
    assert painter.class_table == TABLE
    assert painter.sha256 == file_sha256(tmp_path / "generator.safetensors")


def test_same_seed_same_image_other_seed_other_image(folder: Path) -> None:
    first, second = load_painter(folder), load_painter(folder)

    assert (first.paint(LABEL_MAP, seed=1) == second.paint(LABEL_MAP, seed=1)).all()
    assert (first.paint(LABEL_MAP, seed=1) != first.paint(LABEL_MAP, seed=2)).any()


def test_ignored_pixels_are_painted_and_unknown_ids_refused(folder: Path) -> None:
    painter = load_painter(folder)
    label_map = LABEL_MAP.copy()
    label_map[:3] = 255
    assert painter.paint(label_map, seed=0).shape == (13, 10, 3)

    label_map[5, 5] = 9
    with pytest.raises(DataError, match=r"ids \[9\] are not classes. Allowed: 0 to 1 and 255"):
        painter.paint(label_map, seed=0)


def _set(folder: Path, key: str, value: object) -> None:
    card = json.loads((folder / "gan.json").read_text())
    (folder / "gan.json").write_text(json.dumps({**card, key: value}))


def test_damaged_bundles_are_refused(folder: Path) -> None:
    weights = (folder / "generator.safetensors").read_bytes()
    (folder / "generator.safetensors").write_bytes(weights[:200])
    with pytest.raises(BundleError, match=r"generator.safetensors: the weights do not match"):
        load_painter(folder)
    (folder / "generator.safetensors").write_bytes(weights)

    _set(folder, "class_names", ["a", "b", "c"])
    with pytest.raises(BundleError, match=r"gan.json: 2 colours for 3 classes"):
        load_painter(folder)
    _set(folder, "palette", [[0, 0, 0]] * 3)
    with pytest.raises(BundleError, match=r"generator.safetensors: the weights do not match"):
        load_painter(folder)
    _set(folder, "sizes", {"generator": [8]})
    with pytest.raises(BundleError, match=r"gan.json: .*Run the stage train_gan again"):
        load_painter(folder)
    _set(folder, "sizes", dataclasses.asdict(TINY))
    for key, value in (("arch", "cycle"), ("style", "pixel")):
        card = (folder / "gan.json").read_text()
        _set(folder, key, value)
        with pytest.raises(BundleError, match=rf"gan.json: .*{value}.*Run the stage train_gan aga"):
            load_painter(folder)
        (folder / "gan.json").write_text(card)
    _set(folder, "schema_version", 2)
    with pytest.raises(BundleError, match=r"schema_version is 2, .*reads 1"):
        load_painter(folder)
    (folder / "gan.json").write_text("[")
    with pytest.raises(BundleError, match=r"gan.json: cannot be read"):
        load_painter(folder)


def test_a_card_from_before_designs_is_an_oasis_with_a_style_per_image(folder: Path) -> None:
    expected = load_painter(folder).paint(LABEL_MAP, seed=3)
    card = json.loads((folder / "gan.json").read_text())
    assert (card.pop("arch"), card.pop("style")) == ("oasis", "image")
    (folder / "gan.json").write_text(json.dumps(card))

    painter = load_painter(folder)

    assert painter.style == "image"
    assert (painter.paint(LABEL_MAP, seed=3) == expected).all()


def test_a_missing_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"gan.json: cannot be read"):
        load_painter(tmp_path)


def test_painting_follows_no_later_change_of_the_label_map(folder: Path) -> None:
    painter: Painter = load_painter(folder)
    before = LABEL_MAP.copy()

    painter.paint(LABEL_MAP, seed=0)

    assert (before == LABEL_MAP).all()
