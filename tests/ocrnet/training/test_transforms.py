"""Image and label map move together; padding is ignored; colours leave labels alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrnet.runtime import keyed_generator
from ocrnet.training.transforms import TrainTransform
from tests.ocrnet.conftest import toy_params


def marked(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image that shows its label map: class k has the colour 80 * k."""
    label_map = (
        np.random.default_rng(0).integers(0, 3, (height // 8, width // 8)).repeat(8, 0).repeat(8, 1)
    )
    label_map = label_map.astype(np.uint8)
    return np.repeat(80 * label_map[..., None], 3, axis=2), label_map


@settings(max_examples=20)
@given(
    key=st.integers(0, 10_000),
    height=st.sampled_from([40, 64, 96]),
    width=st.sampled_from([48, 80]),
)
def test_label_map_and_image_still_agree(key: int, height: int, width: int) -> None:
    image, label_map = marked(height, width)
    recipe = toy_params(color_jitter=0, scale_range=[0.5, 2.0], rare_crops=0.5).train
    transform = TrainTransform(recipe, crop_size=(64, 64), ignore_index=255)
    pixels, labels = transform(image, label_map, generator=keyed_generator(key))
    assert pixels.shape == (3, 64, 64)
    assert labels.shape == (64, 64)
    valid = labels != 255
    shown = (pixels[0].float() / 80).round().long()
    agree = (shown == labels)[valid].float().mean()
    assert (
        agree > 0.7
    )  # all but the blurred pixels at the borders of 8-pixel blocks, scaled down to 4
    assert (pixels[:, ~valid] == 0).all()


def test_an_image_smaller_than_the_crop_is_padded_with_ignored_pixels() -> None:
    image, label_map = marked(40, 48)
    recipe = toy_params(color_jitter=0, scale_range=[1.0, 1.0], flip=False).train
    transform = TrainTransform(recipe, crop_size=(64, 64), ignore_index=255)
    pixels, labels = transform(image, label_map, generator=keyed_generator(0))
    assert torch.equal(labels[:40, :48], torch.from_numpy(label_map).long())
    assert (labels[40:] == 255).all()
    assert (labels[:, 48:] == 255).all()
    assert torch.equal(pixels[:, :40, :48], torch.from_numpy(image).permute(2, 0, 1))


def test_colour_changes_the_image_alone() -> None:
    image, label_map = marked(64, 80)
    drawn = [
        TrainTransform(toy_params(color_jitter=jitter).train, crop_size=(64, 64), ignore_index=255)(
            image, label_map, generator=keyed_generator(3)
        )
        for jitter in (0.0, 0.5)
    ]
    assert torch.equal(drawn[0][1], drawn[1][1])
    assert not torch.equal(drawn[0][0], drawn[1][0])


def test_rare_crops_show_a_lone_pixel_far_more_often() -> None:
    label_map = np.zeros((200, 200), np.uint8)
    label_map[150, 40] = 1
    image = np.zeros((200, 200, 3), np.uint8)

    def share(rare_crops: float) -> float:
        recipe = toy_params(color_jitter=0, scale_range=[1, 1], rare_crops=rare_crops).train
        transform = TrainTransform(recipe, crop_size=(32, 32), ignore_index=255)
        shown = [
            bool((transform(image, label_map, generator=keyed_generator(k))[1] == 1).any())
            for k in range(80)
        ]
        return sum(shown) / len(shown)

    assert share(0.0) < 0.15
    assert 0.35 < share(1.0) < 0.65  # one class in two is the pixel's


def drawn(**recipe: object) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return image, label map and the next number of the generator."""
    image, label_map = marked(96, 80)
    generator = keyed_generator(5)
    values = {"rotation": 0, "elastic": 0, "vertical_flip": 0, "gamma": 0, "blur": 0, "noise": 0}
    transform = TrainTransform(
        toy_params(**{**values, **recipe}).train, crop_size=(64, 64), ignore_index=255
    )
    pixels, labels = transform(image, label_map, generator=generator)
    return pixels, labels, torch.rand((), generator=generator)


def test_what_is_off_draws_no_number() -> None:
    """Scale, two of the corner, the rarity of the crop, the flip and three colours: eight numbers."""
    counted = keyed_generator(5)
    for _ in range(8):
        torch.rand((), generator=counted)
    assert drawn()[2] == torch.rand((), generator=counted)


@pytest.mark.parametrize("change", [{"gamma": 0.5}, {"blur": 3.0}, {"noise": 0.1}])
def test_light_lens_and_sensor_leave_labels_alone(change: dict[str, float]) -> None:
    plain, labels, _ = drawn()
    changed, same, _ = drawn(**change)
    assert torch.equal(labels, same)
    assert not torch.equal(plain, changed)


def test_a_vertical_flip_mirrors_top_to_bottom() -> None:
    plain, labels, _ = drawn(color_jitter=0)
    mirrored, upside, _ = drawn(color_jitter=0, vertical_flip=1.0)
    assert torch.equal(mirrored, plain.flip(1))
    assert torch.equal(upside, labels.flip(0))


def gray(value: int, **recipe: object) -> list[torch.Tensor]:
    """Return forty changed images of one gray value."""
    image = np.full((64, 64, 3), value, np.uint8)
    label_map = np.zeros((64, 64), np.uint8)
    values = {"color_jitter": 0, "scale_range": [1, 1]}
    transform = TrainTransform(
        toy_params(**{**values, **recipe}).train, crop_size=(64, 64), ignore_index=255
    )
    return [transform(image, label_map, generator=keyed_generator(k))[0].float() for k in range(40)]


def test_gamma_is_a_power_within_its_limits_in_both_directions() -> None:
    values = [float(image.mean()) for image in gray(64, gamma=1.0)]
    low, high = (255 * (64 / 255) ** power for power in (2.0, 0.5))
    assert low - 1 <= min(values) < 0.8 * 64
    assert 1.3 * 64 < max(values) <= high + 1
    assert all((image == 255).all() for image in gray(255, gamma=1.0))


def test_noise_has_up_to_the_deviation_asked_for() -> None:
    deviations = [float(image.std()) for image in gray(128, noise=0.1)]
    assert 0.9 * 25.5 < max(deviations) < 1.05 * 25.5
    assert min(deviations) < 5
    # The noise of a channel is not that of another.
    channels = gray(128, noise=0.1)[0]
    assert not torch.equal(channels[0], channels[1])


def test_blur_keeps_the_mean_and_spreads_an_edge_by_its_deviation() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 32:] = 255
    recipe = toy_params(color_jitter=0, scale_range=[1, 1], flip=False, blur=4.0).train
    transform = TrainTransform(recipe, crop_size=(64, 64), ignore_index=255)
    label_map = np.zeros((64, 64), np.uint8)
    deviations = []
    for k in range(40):
        profile = transform(image, label_map, generator=keyed_generator(k))[0][0, 32].float() / 255
        assert profile.mean().item() == pytest.approx(0.5, abs=0.01)
        # The slope of a blurred edge is the kernel; its deviation is that of the blur.
        slope = profile.diff()
        at = torch.arange(63.0) - 31
        deviations.append(float((slope * at.square()).sum().sqrt()))
    assert 3.3 < max(deviations) <= 4.1
    assert min(deviations) < 1


def test_a_blur_wider_than_a_small_crop_is_cut_to_it() -> None:
    recipe = toy_params(blur=50.0).train
    transform = TrainTransform(recipe, crop_size=(8, 8), ignore_index=255)
    pixels, _ = transform(*marked(40, 48), generator=keyed_generator(1))
    assert pixels.shape == (3, 8, 8)
