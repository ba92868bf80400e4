"""What every preset's networks promise, tried on small and odd sizes."""

import dataclasses

import pytest
import torch

from ocrnet.gan.generator.network import Generator, fold_spectral_norm, one_hot
from ocrnet.gan.generator.presets import PRESETS, Preset
from ocrnet.gan.generator.styles import noise_of_image
from ocrnet.gan.training.discriminator import Discriminator

TINY = Preset((8, 8, 4), (4, 8, 8), 4, 1, 4, 1)


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(3, TINY).eval()


def test_one_hot_by_hand_and_zero_where_ignored() -> None:
    labels = one_hot(torch.tensor([[[0, 1, 255]]]), num_classes=2)

    assert labels.tolist() == [[[[1, 0, 0]], [[0, 1, 0]]]]


@pytest.mark.parametrize("name", PRESETS)
def test_preset_networks_fit_together(name: str) -> None:
    # The same resolutions and kernels with few channels: `full` has 75 million weights.
    wide = PRESETS[name]
    preset = dataclasses.replace(
        wide, embedding=4,
        generator=tuple(max(4, c // 64) for c in wide.generator),
        discriminator=tuple(max(4, c // 64) for c in wide.discriminator),
    )  # fmt: skip
    label_maps = torch.zeros(2, 45, 70, dtype=torch.int64)

    images = Generator(7, preset)(label_maps, torch.zeros(2, wide.z_dim, 45, 70))
    logits = Discriminator(7, preset)(images)

    assert 0 < wide.grain_dim < wide.z_dim
    assert images.shape == (2, 3, 45, 70)
    assert logits.shape == (2, 8, 45, 70)


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (16, 16), (45, 23)])
def test_any_size_is_painted_within_range(generator: Generator, size: tuple[int, int]) -> None:
    label_maps = torch.randint(0, 3, (1, *size))

    with torch.no_grad():
        images = generator(label_maps, noise_of_image(TINY, size, seed=0))

    assert images.shape == (1, 3, *size)
    assert images.abs().max() <= 1


def test_same_z_same_image_other_z_other_image(generator: Generator) -> None:
    label_maps = torch.randint(0, 3, (1, 12, 12))
    first, again, other = (
        generator(label_maps, noise_of_image(TINY, (12, 12), seed=seed)) for seed in (0, 0, 1)
    )

    assert torch.equal(first, again)
    assert (first - other).abs().mean() > 1e-3


def test_a_vector_z_is_a_constant_map(generator: Generator) -> None:
    label_maps = torch.randint(0, 3, (2, 10, 6))
    z = torch.randn(2, TINY.z_dim)

    from_map = generator(label_maps, z[:, :, None, None].expand(-1, -1, 10, 6).contiguous())

    assert torch.equal(generator(label_maps, z), from_map)


def test_a_line_one_pixel_wide_reaches_the_coarsest_resolution() -> None:
    # Subsampling by 4 would lose a line at column 1; its share of the pixels must arrive instead.
    generator = Generator(2, TINY)
    labels = one_hot((torch.arange(8) == 1).long().expand(1, 8, 8), num_classes=2)

    condition = generator._condition(labels, torch.zeros(1, 4, 8, 8), scale=4)

    assert condition[0, 1].tolist() == [[0.25, 0.0], [0.25, 0.0]]


def test_spectral_norm_bounds_every_discriminator_layer() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(3, TINY)
    for _ in range(20):  # each pass in training mode is one power iteration
        discriminator(torch.zeros(1, 3, 8, 8))

    convs = [m for m in discriminator.modules() if isinstance(m, torch.nn.Conv2d)]
    norms = [torch.linalg.matrix_norm(conv.weight.flatten(1), ord=2).item() for conv in convs]

    assert norms == pytest.approx([1.0] * len(convs), abs=0.05)


def test_discriminator_judges_each_image_alone() -> None:
    discriminator = Discriminator(3, TINY).eval()
    images = torch.rand(3, 3, 9, 11) * 2 - 1

    together = discriminator(images)

    torch.testing.assert_close(together[1:2], discriminator(images[1:2]))


def test_folding_spectral_norm_changes_no_image(generator: Generator) -> None:
    label_maps = torch.randint(0, 3, (1, 8, 8))
    z = noise_of_image(TINY, (8, 8), seed=0)
    before = generator(label_maps, z)

    folded = fold_spectral_norm(generator)

    assert not any("parametrizations" in name for name in folded.state_dict())
    torch.testing.assert_close(folded(label_maps, z), before, rtol=0, atol=1e-6)
