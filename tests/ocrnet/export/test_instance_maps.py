"""Exported files with the maps of the instance heads: objects are decoded from them as from the model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ocrnet.bundles.card import ModelCard
from ocrnet.export.network import file_input
from ocrnet.export.onnx_segmenter import load_onnx
from ocrnet.export.trace import trace
from ocrnet.export.write_file import write_onnx
from ocrnet.inference.predict import Segmenter
from ocrnet.objects.grouping import find_objects
from tests.ocrnet.conftest import CLASSES
from tests.ocrnet.export.files import build, card_of

BACKBONE = "tf_mobilenetv3_small_minimal_100"  # it pads images to a multiple, so the last cells lie outside
THINGS = (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "raw"), [("offsets", True), ("attention", False)])
def test_objects_of_a_file_are_those_of_its_model(kind: str, raw: bool, tmp_path: Path) -> None:
    options = {"backbone": BACKBONE, "mid_channels": 16, "key_channels": 8, "instances": kind}
    card = ModelCard("ocrnet", options, CLASSES, things=CLASSES.class_names[1:])
    model = build(card)
    if kind == "attention":
        with torch.no_grad():
            model.instance_heads.heat[-1].bias.zero_()  # type: ignore[index, union-attr]
    given = card_of(
        card, is_raw=raw, layout="nchw" if raw else "nhwc", probabilities=not raw, instances=kind,
        multiple=model.multiple, things=card.things, least_score=0.25,
    )  # fmt: skip
    path = tmp_path / "model.onnx"
    program = trace(model, given, least=64)
    write_onnx(path, program, given)
    own, file = Segmenter(model, card), load_onnx(path)
    assert (file.things, file.least_score) == (card.things, 0.25)
    found = 0
    for number, size in enumerate(((101, 75), (128, 160))):
        image = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        result = (2 * size[0], size[1] + 7)  # maps for a result of another size
        if kind == "offsets":
            want, got = own.instance_maps(image, result), file.instance_maps(image, result)
            assert want is not None
            assert got is not None
            assert file.detections(image, result) is None
        else:
            first, second = own.detections(image, result), file.detections(image, result)
            assert first is not None
            assert second is not None
            assert second.cell == pytest.approx(first.cell)
            assert second.scale == pytest.approx(first.scale)
            want, got = first.maps, second.maps
            assert file.instance_maps(image, result) is None
        np.testing.assert_allclose(got, want, atol=1e-3 * np.abs(want).max())
        probabilities = own.probabilities(image)
        expected = find_objects(own, image, probabilities, THINGS)
        objects = find_objects(file, image, probabilities, THINGS)
        # Weights are random, so that many peaks are near ties, which rounding decides.
        assert (objects.numbers == expected.numbers).mean() > 0.9
        found += len(expected)
        maps = program.module()(torch.from_numpy(file_input(given, image)))[-1]
        if kind == "attention":
            np.testing.assert_allclose(
                maps[0].detach().numpy(), want, atol=1e-3 * np.abs(want).max()
            )
    assert found > 0
