"""The weights of a network as a safetensors file, which is written whole and loaded only if it fits the network."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ocrnet.bundles.tensors import kind_differs, read_finite, read_header
from ocrnet.data.files import whole_file

Network = TypeVar("Network", bound=nn.Module)


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write the tensors of a state dict, from any device."""
    stored = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    with whole_file(path) as partial:
        save_file(stored, partial)


def load_weights(path: Path, build: Callable[[], Network]) -> Network:
    """Return a network with the weights of a file.

    The network is first built without memory and compared with the header of the file.

    Args:
        path: Safetensors file, which is untrusted.
        build: Builds the network with its initial weights.

    Raises:
        ValueError: The file is malformed, does not fit the network, or has a value that is not finite.
        OSError: The file cannot be read.
    """
    found = read_header(path)
    with torch.device("meta"):
        differs = kind_differs(build().state_dict(), found)
    if differs:
        raise ValueError(differs)
    weights = read_finite(path)
    network = build()
    network.load_state_dict(weights)
    return network
