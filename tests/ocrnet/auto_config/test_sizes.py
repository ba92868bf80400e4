"""Sizes by rule: what a processor affords, what objects need, what the memory holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrnet.auto_config.facts import Size, side_of
from ocrnet.auto_config.machine import Machine
from ocrnet.auto_config.memory import StepMemory
from ocrnet.auto_config.sizes import choose_batch, choose_crop, choose_resize, fit_area

from .plans import CPU, GPU, facts_with


def test_images_that_a_cpu_affords_keep_their_sizes() -> None:
    assert choose_resize(facts_with(), on_gpu=False)[0] is None


def test_large_images_are_brought_to_the_pixels_that_the_processor_affords() -> None:
    facts = facts_with(sizes=((1200, 1600),) * 9, sides={"object": 300.0})
    height, width = choose_resize(facts, on_gpu=False)[0] or (0, 0)
    assert height * width == pytest.approx(256 * 256, rel=0.03)
    assert width / height == pytest.approx(4 / 3, rel=0.03)
    assert choose_resize(facts, on_gpu=True)[0] != (height, width)


def test_small_objects_keep_images_larger_but_not_without_limit() -> None:
    large = ((1024, 1024),) * 9
    free = choose_resize(facts_with(sizes=large, sides={"object": 300.0}), on_gpu=False)[0]
    small, reason = choose_resize(facts_with(sizes=large, sides={"object": 15.0}), on_gpu=False)
    tiny = choose_resize(facts_with(sizes=large, sides={"object": 2.0}), on_gpu=False)[0]
    assert free == (256, 256)
    assert small == (408, 408)  # 15 pixels become 6
    assert "object (15 pixels a side) keeps 6 pixels" in reason
    assert tiny == (512, 512)  # four times the pixels of 256 x 256


def test_images_of_unlike_shapes_keep_their_sizes_unless_they_are_far_too_large() -> None:
    assert choose_resize(facts_with(sizes=((300, 300), (300, 400))), on_gpu=False)[0] is None
    huge = facts_with(sizes=((3000, 3000), (3000, 4000)), sides={})
    assert choose_resize(huge, on_gpu=False)[0] is not None


def test_a_crop_is_never_larger_than_the_image_and_fits_the_network() -> None:
    assert choose_crop((96, 128), on_gpu=False)[0] == (96, 128)
    assert choose_crop((360, 480), on_gpu=False)[0] == (192, 256)
    assert choose_crop((20, 500), on_gpu=False)[0][0] == 32  # a smaller image is padded


@given(
    st.tuples(st.integers(8, 5000), st.integers(8, 5000)), st.integers(4096, 10**6), st.sampled_from([8, 32])
)  # fmt: skip
def test_an_area_is_kept_wherever_one_multiple_a_side_allows_it(
    size: Size, limit: int, multiple: int
) -> None:
    height, width = fit_area(size, limit, multiple)
    assert height % multiple == width % multiple == 0
    assert height <= max(size[0], multiple)
    assert width <= max(size[1], multiple)
    if min(height, width) > multiple:
        assert height * width <= limit


def memory(size: Size) -> StepMemory:
    return StepMemory(fixed_bytes=2**20, image_bytes=size[0] * size[1] * 1024)


def test_a_batch_takes_at_most_half_of_the_memory() -> None:
    crop = (128, 128)  # 16 MiB a crop
    assert choose_batch(memory, crop, CPU)[:2] == (crop, 8)
    assert choose_batch(memory, crop, GPU)[:2] == (crop, 16)
    room = Machine(cores=2, memory_bytes=2 * 65 * 2**20)  # four crops and the weights
    found, batch, reason = choose_batch(memory, crop, room)
    assert (found, batch) == (crop, 4)
    assert "A step keeps 16 MiB a crop" in reason


def test_a_crop_is_halved_only_where_two_do_not_fit() -> None:
    assert choose_batch(memory, (128, 128), Machine(2, 2 * 33 * 2**20))[:2] == ((128, 128), 2)
    assert choose_batch(memory, (128, 128), Machine(2, 2 * 32 * 2**20))[0] == (64, 64)
    # The smallest crop ends the search.
    assert choose_batch(memory, (128, 128), Machine(2, 1))[:2] == ((32, 32), 2)


def test_specks_do_not_hide_the_size_of_objects() -> None:
    assert side_of([100, 100, 100]) == 10
    assert side_of([100] + [1] * 90) == 10
    assert side_of([100] + [1] * 110) == 1
