"""The layers of a timm network by the names of its weights: which are the stem, how deep each is, which do not decay.

timm states them for whole networks. Networks that return levels have other names for the same weights: some have an
underscore for a dot (`stem_conv1.weight` is `stem.conv1.weight`), some a prefix. So weights are found by their flat
names, which have underscores for all dots.
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
from ocrnet.models.head_variants import DEEP_BASE, stem_options

_QUERIES = re.compile(
    r"_(q|qk|qkvs?|query)_"
)  # squeeze-and-excitation, too, may be called attention
_WRAPPER = re.compile(
    r"(model|body)\."
)  # prefix of each name in timm's feature getter and feature hooks
PREFIX = "backbone.net."


@dataclass(frozen=True)
class Layers:
    """The layers of a network, by the flat names of its weights.

    Args:
        stem: Names of the weights before the first stage.
        depth: Number of the layer of each weight; 0 is the first.
        no_decay: Names of the weights that do not decay, besides norms and biases: positions, class tokens.
        is_transformer: Whether the network has attention by queries.
    """

    stem: frozenset[str]
    depth: Mapping[str, int]
    no_decay: frozenset[str]
    is_transformer: bool


def flat_name(name: str) -> str:
    """Return the flat name of a weight by its name in the whole network of timm."""
    return name.replace(".", "_")


def flat_name_of_level(name: str) -> str:
    """Return the flat name of a weight by its name in a network that returns levels."""
    return flat_name(_WRAPPER.sub("", name, count=1) if _WRAPPER.match(name) else name)


@cache
def read_layers(backbone: str) -> Layers:
    """Return the layers that timm states for a network, which is built without memory."""
    with torch.device("meta"):
        net: Any = timm.create_model(
            backbone.removeprefix(DEEP_BASE), pretrained=False, **stem_options(backbone)
        )
    depth, coarse = _groups(net, coarse=False), _groups(net, coarse=True)
    no_decay = net.no_weight_decay() if hasattr(net, "no_weight_decay") else ()
    return Layers(
        stem=frozenset(name for name, group in coarse.items() if group == min(coarse.values())),
        depth=depth,
        no_decay=frozenset(map(flat_name, no_decay)),
        is_transformer=any(_QUERIES.search(name) for name in depth),
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


def _groups(net: Any, *, coarse: bool) -> dict[str, int]:
    """Return the number of the layer, or of the stage, of each weight; nothing where timm does not state them."""
    if not hasattr(net, "group_matcher"):
        return {}
    try:
        found = group_parameters(net, net.group_matcher(coarse=coarse), reverse=True)
    except AssertionError:  # RDNet has layers and no stages
        return {}
    return {flat_name(name): group for name, group in found.items()}
