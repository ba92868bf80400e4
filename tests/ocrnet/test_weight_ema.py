"""The moving average of weights, by hand."""

import pytest
import torch
from torch import nn

from ocrnet.gan.generator.network import Generator
from ocrnet.weight_ema import WeightAverage
from tests.ocrnet.gan.generator.test_networks import TINY


def test_the_average_follows_its_closed_form() -> None:
    """Decay of step t is min(d, (1 + t) / (10 + t)): 0.1, 2/11 and at last 0.15, from 0 towards 1, 2 and 3."""
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    average = WeightAverage(net, 0.15, average_buffers=True)
    expected = 0.0
    for step, decay in enumerate((0.1, 0.15, 0.15)):
        nn.init.constant_(net.weight, step + 1.0)
        average.update(net, step)
        expected = decay * expected + (1 - decay) * (step + 1)
    assert float(average.model.weight) == pytest.approx(expected)
    assert average.model.weight is not net.weight


@pytest.mark.parametrize("average_buffers", [True, False])
def test_statistics_are_averaged_or_copied_and_integers_are_copied(average_buffers: bool) -> None:
    """The running mean moves by a tenth of the batch's mean, from 0 to 1; the first decay is 0.1."""
    norm = nn.BatchNorm2d(1)
    average = WeightAverage(norm, 0.9, average_buffers=average_buffers)
    norm(torch.full((1, 1, 3, 3), 10.0))
    average.update(norm, 0)
    buffers = dict(average.model.named_buffers())
    assert float(buffers["running_mean"]) == pytest.approx(0.9 if average_buffers else 1.0)
    assert int(buffers["num_batches_tracked"]) == 1


def test_copied_spectral_norm_vectors_stay_unit_vectors() -> None:
    generator = Generator(2, TINY)
    average = WeightAverage(generator, 0.9, average_buffers=False)
    label_maps, z = torch.zeros(2, 8, 8, dtype=torch.int64), torch.randn(2, TINY.z_dim)
    generator.train()(label_maps, z)

    average.update(generator, 50)

    vectors = {n: b for n, b in average.model.named_buffers() if n.endswith(("._u", "._v"))}
    live = dict(generator.named_buffers())
    assert vectors
    for name, vector in vectors.items():
        assert torch.equal(vector, live[name])
        assert vector.norm().item() == pytest.approx(1, abs=1e-5)
