"""Parameters and multiply-adds of a network, against counts by hand."""

from typing import Any

from ocrnet.models import build_segmenter
from ocrnet.models.network_size import size_of_network

OPTIONS: dict[str, Any] = {
    "backbone": "mobilenetv3_small_050",
    "mid_channels": 16,
    "key_channels": 8,
}


def test_parameters_are_those_of_the_real_network() -> None:
    found = size_of_network("ocrnet", 3, OPTIONS, (64, 64))
    network = build_segmenter("ocrnet", num_classes=3, **OPTIONS)
    assert found.parameters == sum(value.numel() for value in network.parameters())


def test_one_more_class_costs_one_row_of_each_classifier() -> None:
    """A 1 x 1 convolution to a class has a weight per channel and a bias, in the main and in the auxiliary head."""
    three, four = (size_of_network("fcn", count, OPTIONS, (64, 64)) for count in (3, 4))
    network = build_segmenter("fcn", num_classes=3, **OPTIONS)
    rows = [
        value[0].numel() for name, value in network.named_parameters() if value.shape[:1] == (3,)
    ]
    assert four.parameters - three.parameters == sum(rows)
    assert four.multiply_adds > three.multiply_adds


def test_convolutions_cost_in_proportion_to_the_pixels() -> None:
    small, large = (size_of_network("fcn", 3, OPTIONS, (side, side)) for side in (64, 128))
    assert 3.9 < large.multiply_adds / small.multiply_adds <= 4.0
