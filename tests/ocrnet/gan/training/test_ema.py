"""The averaged generator."""

import pytest
import torch
from torch import nn

from ocrnet.gan.generator.network import Generator
from ocrnet.gan.training.ema import Ema, ema_decay, estimate_statistics
from tests.ocrnet.gan.generator.test_networks import TINY


def test_decay_rises_to_its_limit() -> None:
    assert [ema_decay(step, limit=0.5) for step in (0, 1, 8, 100)] == [0.1, 2 / 11, 0.5, 0.5]


def test_average_of_weights_in_closed_form() -> None:
    generator = Generator(2, TINY)
    ema = Ema(generator, limit=0.9)
    bias, kept = generator.to_image.bias, ema.generator.to_image.bias
    assert bias is not None
    assert kept is not None
    expected = kept.clone()

    for step in range(4):
        with torch.no_grad():
            bias.fill_(float(step))
        ema.update(generator, step)
        decay = (1 + step) / (10 + step)
        expected = decay * expected + (1 - decay) * step

    torch.testing.assert_close(kept, expected)


def test_spectral_norm_vectors_are_copied_and_stay_unit_vectors() -> None:
    generator = Generator(2, TINY)
    ema = Ema(generator, limit=0.9)
    label_maps, z = torch.zeros(2, 8, 8, dtype=torch.int64), torch.randn(2, TINY.z_dim)
    generator.train()(label_maps, z)

    ema.update(generator, 50)

    vectors = {n: b for n, b in ema.generator.named_buffers() if n.endswith(("._u", "._v"))}
    live = dict(generator.named_buffers())
    assert vectors
    for name, vector in vectors.items():
        assert torch.equal(vector, live[name])
        assert vector.norm().item() == pytest.approx(1, abs=1e-5)


def test_statistics_are_the_plain_average_over_batches() -> None:
    torch.manual_seed(0)
    generator = Generator(2, TINY).eval()
    batches = [(torch.randint(0, 2, (3, 8, 8)), torch.randn(3, TINY.z_dim)) for _ in range(3)]
    seen: list[torch.Tensor] = []
    norm = generator.blocks[0].get_submodule("mod1.norm")
    assert isinstance(norm, nn.BatchNorm2d)
    handle = norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    weights = {name: value.clone() for name, value in generator.named_parameters()}

    estimate_statistics(generator, batches)
    handle.remove()

    means = torch.stack([feats.mean(dim=(0, 2, 3)) for feats in seen])
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, means.mean(dim=0), rtol=1e-4, atol=1e-6)
    assert not norm.training
    assert all(torch.equal(value, weights[name]) for name, value in generator.named_parameters())
