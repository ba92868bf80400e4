"""Exact conversions of numbers that differ between programs.

A bias before a batch norm in eval mode only shifts the norm's input, so it is folded into the running mean.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

COUNTER = "num_batches_tracked"
ABN_EPS = 1e-5
GAMMA = "gamma := |gamma| + 1e-5 (InPlaceABN)"
FOLDED = "running_mean -= bias of the convolution before"
ZEROED = "bias := 0 (the file's convolution has none)"
INDEXED = re.compile(r"^(.*\.)(\d+)$")

Converted = list[tuple[str, str]]  # names and conversions


def effective_gammas(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], set[str]]:
    """Return the tensors with the scales that InPlaceABN applies, and the names of the changed entries.

    InPlaceABN uses the absolute value of its weight plus eps. It is recognised because it has no counter of batches.
    """
    if any(name.endswith(COUNTER) for name in tensors):
        return dict(tensors), set()
    gammas = {
        name
        for name in tensors
        if name.endswith(".weight") and f"{name.removesuffix('weight')}running_var" in tensors
    }
    changed = {name: tensors[name].float().abs() + ABN_EPS for name in gammas}
    return {**tensors, **changed}, gammas


def fold_biases(
    placed: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], Converted]:
    """Fold biases that the model's convolutions do not have into the running mean of the next norm."""
    kept, done = dict(placed), []
    for name, bias in placed.items():
        mean = _mean_after(name)
        foldable = name.endswith(".bias") and name not in own and mean in own and mean in kept
        if foldable and kept[mean].shape == bias.shape:
            kept[mean] = kept[mean].float() - bias.float()
            del kept[name]
            done.append((mean, FOLDED))
    return kept, done


def zero_biases(
    placed: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], Converted]:
    """Add a bias of zero for the model's convolutions whose weight, but not whose bias, is in the file."""
    added = {}
    for name, value in own.items():
        weight = f"{name.removesuffix('bias')}weight"
        if not name.endswith(".bias") or name in placed or weight not in placed:
            continue
        convolution = own[weight].ndim == 4
        if convolution and placed[weight].shape == own[weight].shape:
            added[name] = torch.zeros_like(value)
    return {**placed, **added}, [(name, ZEROED) for name in added]


def _mean_after(name: str) -> str:
    """Return the name of the running mean of the next module in an entry's sequence; empty outside a sequence."""
    found = INDEXED.match(name.rpartition(".")[0])
    return f"{found[1]}{int(found[2]) + 1}.running_mean" if found else ""
