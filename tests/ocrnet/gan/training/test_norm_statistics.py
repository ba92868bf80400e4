"""The batch-norm statistics of the averaged generator."""

import torch
from torch import nn

from ocrnet.gan.generator.network import Generator
from ocrnet.gan.training.norm_statistics import estimate_statistics
from tests.ocrnet.gan.generator.test_networks import TINY


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
