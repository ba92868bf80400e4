"""Several segmenters as one: by hand, and from bundles of other architectures and normalisations."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from ocrnet.bundles.bundle import build_model, save_bundle
from ocrnet.bundles.card import Decoding, ModelCard
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import DataError
from ocrnet.inference.ensemble import Ensemble, load_segmenters
from ocrnet.inference.predict import Segmenter, load_segmenter
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.inference.view_merging import MERGERS
from ocrnet.objects.grouping import find_objects
from tests.ocrnet.conftest import CLASSES
from tests.ocrnet.toy_models import ColourNet, segmenter_of

IMAGE = np.random.default_rng(0).integers(0, 256, (66, 77, 3), dtype=np.uint8)
FAR = ScoringProtocol(window=(66, 64), scales=(1.0, 1.2), flip=True)


def write_bundle(folder: Path, *, seed: int, classes: ClassTable = CLASSES, mean: float = 0.5) -> Path:  # fmt: skip
    options = {"backbone": "resnet18", "mid_channels": 8 * (seed + 1), "key_channels": 4}
    card = ModelCard("ocrnet", options, classes, mean=(mean, mean, mean))
    torch.manual_seed(seed)
    save_bundle(folder, card, build_model(card).state_dict())
    return folder


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("bundles")
    return [write_bundle(root / str(seed), seed=seed, mean=0.3 + 0.2 * seed) for seed in (0, 1)]


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exp = np.exp(logits)
    shares: NDArray[np.float64] = exp / exp.sum(axis=0)
    return shares


def test_two_models_by_hand() -> None:
    members = [ColourNet(1.0), ColourNet(7.0)]
    x = IMAGE.transpose(2, 0, 1) / 255.0
    expected = {
        "softmax_mean": (softmax(x) + softmax(7 * x)) / 2,
        "logit_mean": softmax(4 * x),
        "exp_logit_sum": (np.exp(x) + np.exp(7 * x)) / (np.exp(x) + np.exp(7 * x)).sum(axis=0),
    }
    for merge in MERGERS:
        protocol = ScoringProtocol(merge=merge)
        ensemble = Ensemble([segmenter_of(model, protocol=protocol) for model in members])
        np.testing.assert_allclose(ensemble.probabilities(IMAGE), expected[merge], rtol=1e-5)
        assert np.array_equal(ensemble.label_map(IMAGE), expected[merge].argmax(axis=0))


@pytest.mark.parametrize("merge", ["softmax_mean", "logit_mean"])
@pytest.mark.parametrize("protocol", [ScoringProtocol(), FAR])
def test_a_model_several_times_is_the_model_to_the_bit(
    bundles: list[Path], merge: str, protocol: ScoringProtocol
) -> None:
    protocol = replace(protocol, merge=merge)
    alone = load_segmenter(bundles[0], protocol=protocol)
    for times in (2, 3):
        ensemble = load_segmenters(*[bundles[0]] * times, protocol=protocol)
        assert np.array_equal(ensemble.probabilities(IMAGE), alone.probabilities(IMAGE))


def test_bundles_keep_their_own_normalisation(bundles: list[Path]) -> None:
    parts = [load_segmenter(folder).probabilities(IMAGE).astype(np.float64) for folder in bundles]
    assert np.abs(parts[0] - parts[1]).max() > 0.01
    ensemble = load_segmenters(*bundles)
    np.testing.assert_allclose(ensemble.probabilities(IMAGE), sum(parts) / 2, atol=1e-6)


def test_one_bundle_is_no_ensemble(bundles: list[Path]) -> None:
    assert isinstance(load_segmenters(bundles[0]), Segmenter)
    two, turned = load_segmenters(*bundles), load_segmenters(*reversed(bundles))
    assert isinstance(two, Ensemble)
    assert len({two.weights_sha256, turned.weights_sha256}) == 2


def test_members_decode_a_raw_file_as_they_were_trained_to(tmp_path: Path) -> None:
    """One was trained on half the size; the answer has the size of the file all the same."""
    path = tmp_path / "raw.png"
    Image.fromarray(np.kron(IMAGE[:32, :40], np.ones((4, 4, 1), np.uint8))).save(path)
    small = segmenter_of(ColourNet(1.0))
    small.decoding = Decoding(resize=(64, 80))
    large = segmenter_of(ColourNet(5.0))
    assert Ensemble([small, large]).label_map_of_file(path).shape == (128, 160)
    alone = small.label_map_of_file(path)
    assert (Ensemble([small, small]).label_map_of_file(path) == alone).mean() > 0.99


def test_another_class_table_is_refused_and_both_are_named(
    bundles: list[Path], tmp_path: Path
) -> None:
    other = ClassTable(("floor", "square", "scratch"), CLASSES.palette)
    folder = write_bundle(tmp_path / "other", seed=0, classes=other)
    with pytest.raises(DataError) as caught:
        load_segmenters(bundles[0], folder)
    message = str(caught.value)
    assert "\n" not in message
    for part in (bundles[0].as_posix(), folder.as_posix(), "'dot'", "'scratch'"):
        assert part in message


def test_members_score_by_one_protocol() -> None:
    with pytest.raises(ValueError, match="Use one protocol"):
        Ensemble([segmenter_of(ColourNet()), segmenter_of(ColourNet(), protocol=FAR)])


def bundle_with_heads(folder: Path, kind: str, *, seed: int) -> Path:
    options = {"backbone": "resnet18", "mid_channels": 16, "key_channels": 8, "instances": kind}
    card = ModelCard(
        "ocrnet", options, CLASSES, mean=(0.5,) * 3, things=CLASSES.class_names[1:], least_score=0.1 * seed
    )  # fmt: skip
    torch.manual_seed(seed)
    save_bundle(folder, card, build_model(card).state_dict())
    return folder


@pytest.mark.parametrize("kind", ["offsets", "attention"])
def test_members_find_objects_together(kind: str, tmp_path: Path) -> None:
    one = bundle_with_heads(tmp_path / "one", kind, seed=1)
    other = bundle_with_heads(tmp_path / "other", kind, seed=2)
    alone, twice = load_segmenter(one), load_segmenters(one, one)
    probabilities = alone.probabilities(IMAGE)
    expected, found = (
        find_objects(model, IMAGE, probabilities, (1, 2)) for model in (alone, twice)
    )
    assert np.array_equal(found.numbers, expected.numbers)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    both = load_segmenters(one, other)
    assert both.least_score == pytest.approx(0.15)
    if kind == "offsets":
        size = IMAGE.shape[:2]
        maps = [
            np.array(model.instance_maps(IMAGE, size))
            for model in (alone, load_segmenter(other), both)
        ]
        np.testing.assert_allclose(maps[2], (maps[0] + maps[1]) / 2, rtol=1e-5, atol=1e-6)


def test_members_with_other_heads_have_components(bundles: list[Path], tmp_path: Path) -> None:
    offsets = bundle_with_heads(tmp_path / "offsets", "offsets", seed=1)
    attention = bundle_with_heads(tmp_path / "attention", "attention", seed=1)
    for other in (attention, bundles[0]):
        mixed = load_segmenters(offsets, other)
        assert isinstance(mixed, Ensemble)
        assert mixed.instance_maps(IMAGE, (66, 77)) is None
        assert mixed.detections(IMAGE, (66, 77)) is None
