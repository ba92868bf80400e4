"""The padding of TensorFlow for symbols: timm's numbers, at every size, in a graph that was traced at one."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.layers import create_conv2d, padding
from torch import nn

from ocrnet.export.same_padding import same_padding, symbolic_padding


@given(st.integers(1, 300), st.integers(1, 7), st.integers(1, 4), st.integers(1, 3))
def test_numbers_are_those_of_timm(side: int, kernel: int, stride: int, dilation: int) -> None:
    assert same_padding(side, kernel, stride, dilation) == padding.get_same_padding(
        side, kernel, stride, dilation
    )


@pytest.mark.parametrize("traced", [(32, 48), (33, 47)])
def test_a_graph_pads_each_size_as_the_layers_do(traced: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layers = [create_conv2d(3, 3, size, stride=2, padding="same") for size in (3, 5, 3)]
    net = nn.Sequential(*layers).eval()
    free = {0: {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}}
    with symbolic_padding(), torch.no_grad():
        found = torch.export.export(net, (torch.zeros(1, 3, *traced),), dynamic_shapes=[free[0]])
    graph = found.module()
    for size in ((33, 47), (34, 48), (40, 61), (63, 32)):
        image = torch.randn(1, 3, *size)
        with torch.no_grad():
            torch.testing.assert_close(graph(image), net(image))


def test_timm_has_its_own_padding_again_after_an_error() -> None:
    before = padding.get_same_padding
    with pytest.raises(KeyError), symbolic_padding():
        raise KeyError
    assert padding.get_same_padding is before
