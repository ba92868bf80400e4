"""A bundle gives the model back to the bit, or says in one line why not."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ocrnet.bundles.bundle import build_model, load_bundle, read_card, save_bundle
from ocrnet.bundles.card import Decoding, ModelCard
from ocrnet.data.decode import read_image, resize_image
from ocrnet.errors import BundleError, DataError
from ocrnet.inference.predict import load_segmenter
from tests.ocrnet.conftest import CLASSES


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    card = ModelCard(
        "ocrnet", {"backbone": "resnet18", "mid_channels": 8, "key_channels": 4}, CLASSES
    )
    torch.manual_seed(0)
    save_bundle(tmp_path, card, build_model(card).state_dict())
    return tmp_path


def test_a_round_trip_gives_equal_logits(bundle: Path, tmp_path: Path) -> None:
    model, card = load_bundle(bundle)
    assert card.classes == CLASSES
    save_bundle(tmp_path / "again", card, model.state_dict())
    again, _ = load_bundle(tmp_path / "again")
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(model(image).logits, again(image).logits)


@pytest.mark.parametrize("size", [(96, 128), (75, 109), (20, 300)])
def test_predictions_have_the_size_of_the_image(bundle: Path, size: tuple[int, int]) -> None:
    segmenter = load_segmenter(bundle)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    probabilities = segmenter.probabilities(image)
    assert probabilities.shape == (3, *size)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, rtol=1e-5)
    assert (segmenter.label_map(image) == probabilities.argmax(axis=0)).all()


def test_a_raw_file_is_decoded_and_resized_as_in_training(bundle: Path, tmp_path: Path) -> None:
    """A model trained on half the size sees half the size, and answers at the size of the file."""
    model, card = load_bundle(bundle)
    decoding = Decoding(value_range=(0.0, 4095.0), exif="apply", resize=(64, 96))
    save_bundle(tmp_path / "half", replace(card, decoding=decoding), model.state_dict())
    segmenter = load_segmenter(tmp_path / "half")
    assert segmenter.decoding == decoding
    raw = np.random.default_rng(0).integers(0, 4096, (128, 192)).astype(np.uint16)
    path = tmp_path / "deep.png"
    Image.fromarray(raw).save(path)
    label_map = segmenter.label_map_of_file(path)
    assert label_map.shape == (128, 192)
    seen = resize_image(read_image(path, value_range=(0, 4095)), (64, 96))
    nearest = segmenter.label_map(seen).repeat(2, 0).repeat(2, 1)
    assert (label_map == nearest).mean() > 0.9


def test_transparent_pixels_and_bands_are_read_as_in_training(bundle: Path, tmp_path: Path) -> None:
    model, card = load_bundle(bundle)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="E111"):
        load_segmenter(bundle).label_map_of_file(tmp_path / "a.png")
    decoding = Decoding(alpha="white", extra_bands="drop")
    save_bundle(tmp_path / "white", replace(card, decoding=decoding), model.state_dict())
    segmenter = load_segmenter(tmp_path / "white")
    assert segmenter.decoding == decoding
    seen = read_image(tmp_path / "a.png", alpha="white")
    expected = segmenter.label_map(seen)
    assert (segmenter.label_map_of_file(tmp_path / "a.png") == expected).all()


def test_a_card_from_before_alpha_was_looked_at_reads_as_then(bundle: Path) -> None:
    path = bundle / "model.json"
    card = json.loads(path.read_text())
    del card["decoding"]["alpha"], card["decoding"]["extra_bands"]
    path.write_text(json.dumps(card))
    decoding = load_bundle(bundle)[1].decoding
    assert (decoding.alpha, decoding.extra_bands) == ("ignore", "drop")


def test_damaged_weights_are_refused(bundle: Path) -> None:
    path = bundle / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(BundleError, match=r"another hash than in model\.json"):
        load_bundle(bundle)


def test_another_schema_is_refused(bundle: Path) -> None:
    card = json.loads((bundle / "model.json").read_text())
    (bundle / "model.json").write_text(json.dumps({**card, "schema_version": 99}))
    with pytest.raises(BundleError, match="schema_version is 99, but this version reads 1"):
        load_bundle(bundle)


def test_weights_of_another_model_are_refused(bundle: Path) -> None:
    card = json.loads((bundle / "model.json").read_text())
    card["options"]["mid_channels"] = 16
    (bundle / "model.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match="do not fit ocrnet"):
        load_bundle(bundle)


def test_no_bundle_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such file"):
        load_segmenter(tmp_path)


def test_a_card_of_an_earlier_version_names_the_head_variant_by_its_old_name(bundle: Path) -> None:
    card = json.loads((bundle / "model.json").read_text())
    card["options"]["form"] = card["options"].pop("head_variant", "official")
    (bundle / "model.json").write_text(json.dumps(card))
    assert read_card(bundle).options["head_variant"] == "official"
    load_bundle(bundle)
