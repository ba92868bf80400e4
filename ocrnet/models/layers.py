"""The layers of a timm network by the names of its weights: which are the stem, how deep each is, which do not decay.

timm states them for whole networks. Networks that return levels have other names for the same weights.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import timm
import torch
from timm.models import group_parameters

from ocrnet.errors import ParamsError
from ocrnet.models.head_variants import DEEP_BASE

_FLATTENED = re.compile(
    r"^([a-z]+)_(\d+)\."
)  # networks with levels rename `stages.0` to `stages_0`
_GETTER = "model."  # prefix of each name in timm's feature getter
PREFIX = "backbone.net."


@dataclass(frozen=True)
class Layers:
    """The layers of a network, by the names that its weights have in timm.

    Args:
        stem: Names of the weights before the first stage.
        depth: Number of the layer of each weight; 0 is the first.
        no_decay: Names of the weights that do not decay, besides norms and biases: positions, class tokens.
        is_transformer: Whether the network has attention.
    """

    stem: frozenset[str]
    depth: Mapping[str, int]
    no_decay: frozenset[str]
    is_transformer: bool


def plain_name(name: str) -> str:
    """Return the name in the whole timm network of a weight of a network that returns levels."""
    return _FLATTENED.sub(r"\1.\2.", name.removeprefix(_GETTER))


@cache
def read_layers(backbone: str) -> Layers:
    """Return the layers that timm states for a network, which is built without memory."""
    with torch.device("meta"):
        net: Any = timm.create_model(backbone.removeprefix(DEEP_BASE), pretrained=False)
    if not hasattr(net, "group_matcher"):
        return Layers(frozenset(), {}, frozenset(), is_transformer=False)
    depth = group_parameters(net, net.group_matcher(coarse=False), reverse=True)
    coarse = group_parameters(net, net.group_matcher(coarse=True), reverse=True)
    first = min(coarse.values())
    no_decay = net.no_weight_decay() if hasattr(net, "no_weight_decay") else ()
    return Layers(
        stem=frozenset(name for name, group in coarse.items() if group == first),
        depth=depth,
        no_decay=frozenset(no_decay),
        is_transformer=any("attn" in name for name in depth),
    )


def read_stem(backbone: str) -> frozenset[str]:
    """Return the names in timm of the weights before the first stage.

    Raises:
        ParamsError: timm does not state them.
    """
    stem = read_layers(backbone).stem
    if not stem:
        raise ParamsError(
            f"params.yaml: model.freeze: stem, but timm does not state the stem of {backbone}. Set none or backbone."
        )
    return stem
