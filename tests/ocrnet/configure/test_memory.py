"""The memory of a step, counted without running it."""

import pytest

from ocrnet.configure.memory import step_memory
from tests.base_params import params_with


def memory(crop: list[int]) -> tuple[int, int]:
    found = step_memory(params_with({
        "data": {"source": "folder", "path": "raw", "classes": ["a", "b"], "crop_size": crop},
        "model": {"arch": "unet", "mid_channels": 8},
    }))  # fmt: skip
    return found.fixed_bytes, found.image_bytes


def test_activations_grow_with_the_crop_and_the_weights_do_not() -> None:
    small, large = memory([64, 64]), memory([64, 128])
    assert small[0] == large[0] > 0
    # A part of a step does not depend on the crop, such as the statistics of the norms.
    assert large[1] == pytest.approx(2 * small[1], rel=0.02)
    assert small[1] > 64 * 64 * 4 * 8  # at least one map of eight channels in float32
