"""The memory of a step, counted without running it."""

import pytest

from ocrnet.auto_config.memory import step_memory
from ocrnet.config import Params
from ocrnet.models import build_segmenter, segmenter_options
from tests.base_params import params_with


def params_of(crop: list[int]) -> Params:
    return params_with({
        "data": {"source": "folder", "path": "raw", "classes": ["a", "b"], "crop_size": crop},
        "model": {"arch": "unet", "mid_channels": 8},
    })  # fmt: skip


def memory(crop: list[int]) -> tuple[int, int]:
    found = step_memory(params_of(crop))
    return found.fixed_bytes, found.image_bytes


def test_activations_grow_with_the_crop_and_the_weights_do_not() -> None:
    small, large = memory([64, 64]), memory([64, 128])
    assert small[0] == large[0] > 0
    # A part of a step does not depend on the crop, such as the statistics of the norms.
    assert large[1] == pytest.approx(2 * small[1], rel=0.02)
    assert small[1] > 64 * 64 * 4 * 8  # at least one map of eight channels in float32


def test_weights_count_with_gradients_moments_and_average() -> None:
    """AdamW keeps two moments, and the average of the weights is one more copy."""
    options = segmenter_options(params_of([64, 64]).model.model_dump())
    model = build_segmenter("unet", num_classes=2, **options)
    weights = sum(part.numel() for part in model.parameters())
    assert memory([64, 64])[0] == 5 * 4 * weights
