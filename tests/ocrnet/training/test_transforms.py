"""Image and label map move together; padding is ignored; colours leave labels alone."""

import numpy as np
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


@settings(max_examples=20, deadline=None)
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
