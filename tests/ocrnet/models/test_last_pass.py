"""Objects need no second pass of the network where the probabilities are of the same view."""

import numpy as np
import pytest
import torch

from ocrnet.bundles.bundle import build_model
from ocrnet.bundles.card import ModelCard
from ocrnet.inference.predict import Segmenter
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.models.last_pass import LastPass, keep_maps
from ocrnet.models.output import SegmentationModel
from ocrnet.objects.grouping import find_objects
from tests.ocrnet.conftest import CLASSES

KINDS = ["offsets", "attention"]
SMALL = {"backbone": "resnet18", "mid_channels": 16, "key_channels": 8}


def model_of(arch: str, kind: str) -> tuple[SegmentationModel, ModelCard]:
    torch.manual_seed(0)
    card = ModelCard(
        arch, {**SMALL, "instances": kind}, CLASSES, mean=(0.5,) * 3, std=(0.2,) * 3, things=CLASSES.class_names[1:]
    )  # fmt: skip
    return build_model(card).eval(), card


def count_passes(module: torch.nn.Module) -> list[object]:
    """Return a list that gets an entry with each call of a module."""
    calls: list[object] = []
    module.register_forward_hook(lambda *_: calls.append(None))
    return calls


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arch", ["ocrnet", "ocr_cascade"])
def test_the_maps_alone_are_those_of_the_whole_network(arch: str, kind: str) -> None:
    model, _ = model_of(arch, kind)
    images = torch.randn(1, 3, 70, 90)
    semantic = count_passes(model._modules["aux_head"])  # type: ignore[arg-type]
    with torch.inference_mode():
        alone = model.instance_maps(images)
        assert not semantic
        assert torch.equal(alone, model(images).instances)


def test_a_model_without_heads_has_no_maps() -> None:
    model, _ = model_of("ocr_cascade", "none")
    assert keep_maps(model) is model
    with pytest.raises(ValueError, match="no instance heads"):
        model.instance_maps(torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize("kind", KINDS)
def test_a_prediction_with_objects_is_one_pass(kind: str) -> None:
    model, card = model_of("ocr_cascade", kind)
    passes = count_passes(model._modules["instance_heads"])  # type: ignore[arg-type]
    images = np.random.default_rng(0).integers(0, 256, (2, 70, 90, 3), dtype=np.uint8)
    segmenter, fresh = Segmenter(model, card), Segmenter(model, card)
    for image in images:
        probabilities = segmenter.probabilities(image)
        objects = find_objects(segmenter, image, probabilities, (1, 2))
        assert len(passes) == 1
        # Another segmenter has kept nothing, and finds the same objects by a pass of its own.
        other = find_objects(fresh, image, probabilities, (1, 2))
        assert len(passes) == 2
        assert np.array_equal(objects.numbers, other.numbers)
        np.testing.assert_array_equal(objects.scores, other.scores)
        passes.clear()


@pytest.mark.parametrize("protocol", [{"flip": True}, {"scales": (1.0, 0.5)}, {"window": (64, 64)}])
def test_maps_of_another_view_are_not_taken(protocol: dict[str, object]) -> None:
    model, card = model_of("ocr_cascade", "offsets")
    image = np.random.default_rng(0).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    views = Segmenter(model, card, protocol=ScoringProtocol(**protocol))  # type: ignore[arg-type]
    views.probabilities(image)
    expected = Segmenter(model, card).instance_maps(image, (80, 90))
    np.testing.assert_array_equal(views.instance_maps(image, (80, 90)), expected)


def test_maps_of_other_images_of_the_same_size_are_not_taken() -> None:
    model, _ = model_of("ocr_cascade", "offsets")
    network, (one, other) = LastPass(model), torch.randn(2, 1, 3, 64, 64)
    with torch.inference_mode():
        network(one)
        assert not torch.equal(network.instance_maps(other), network.instance_maps(one))
