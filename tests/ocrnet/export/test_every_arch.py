"""Every architecture as ONNX: ONNX Runtime gives the logits of torch at sizes that were not traced."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ocrnet.bundles.card import ModelCard
from ocrnet.export.onnx_segmenter import load_onnx
from ocrnet.export.trace import TRACED, trace
from ocrnet.export.write_file import write_onnx
from ocrnet.inference.predict import Segmenter
from ocrnet.models import ARCHS, OPTIONS
from ocrnet.models.output import SegmentationModel
from tests.ocrnet.conftest import CLASSES
from tests.ocrnet.export.files import build, card_of

SMALL = {
    "backbone": "test_resnet", "stride": "pyramid", "mid_channels": 16, "key_channels": 8, "prototypes": 5,
}  # fmt: skip
# Smaller than the least side; odd; a multiple of every stride.
SIZES = ((40, 131), (101, 75), (128, 160))


def assert_equal_logits(model: SegmentationModel, card: ModelCard, path: Path) -> None:
    """Within 1e-4 of the largest logit, and of one class at 99.9 % of the pixels."""
    export = card_of(card, is_raw=True, layout="nchw")
    write_onnx(path, trace(model, export), export)
    file, own = load_onnx(path), Segmenter(model, card)
    generator = np.random.default_rng(0)
    for size in SIZES:
        assert size != TRACED
        image = generator.integers(0, 256, (*size, 3), dtype=np.uint8)
        got, want = file.scores(image), own.scores(image)
        assert got.shape == want.shape == (1, 3, *size)
        assert (got - want).abs().max() <= 1e-4 * want.abs().max()
        assert (got.argmax(1) == want.argmax(1)).float().mean() >= 0.999
        both = file.batch_scores([image, image[::-1]])
        torch.testing.assert_close(both[:1], got, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
def test_onnx_gives_the_logits_of_torch_at_any_size(arch: str, tmp_path: Path) -> None:
    options = {name: value for name, value in SMALL.items() if name in ("backbone", *OPTIONS)}
    card = ModelCard(arch, options, CLASSES)
    assert_equal_logits(build(card), card, tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "options"),
    [
        ("ocr_cascade", {"backbone": "tf_mobilenetv3_small_minimal_100", "region_grid": 4}),
        ("ocr_cascade", {"backbone": "test_resnet", "decoder_stride": 1}),
        ("ocrnet", {"backbone": "resnet10t", "stride": "8", "align_corners": True}),
    ],
    ids=["padding by the size and a grid", "stride 1", "dilated, corners aligned"],
)
def test_further_forms_too(arch: str, options: dict[str, object], tmp_path: Path) -> None:
    card = ModelCard(arch, {"mid_channels": 16, "key_channels": 8, **options}, CLASSES)
    assert_equal_logits(build(card), card, tmp_path / "model.onnx")
