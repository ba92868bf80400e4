"""Weights of a backbone that keep their values: those of a small set, on which they would only forget.

| `model.freeze` | frozen |
|---|---|
| none | nothing |
| stem | the layers before the first stage |
| backbone | the whole backbone |

The norms of frozen layers keep their statistics, too.
"""

from torch import nn

from ocrnet.models.layers import PREFIX, flat_name_of_level, read_stem
from ocrnet.models.output import SegmentationModel

NONE, STEM, BACKBONE = FREEZES = ("none", "stem", "backbone")


def freeze(model: SegmentationModel, backbone: str, part: str) -> list[nn.Module]:
    """Freeze a part of a model's backbone and return the modules that have to stay in eval mode.

    Args:
        model: Segmenter with `backbone.net`.
        backbone: Name of the backbone in timm.
        part: Name in `FREEZES`.

    Raises:
        ParamsError: timm does not state which layers are the stem.
    """
    if part == NONE:
        return []
    if part == BACKBONE:
        net = model.get_submodule(PREFIX.rstrip("."))
        net.requires_grad_(False)  # torch's stub names no argument
        return [net]
    stem = read_stem(backbone)
    frozen = [
        name
        for name, _ in model.named_parameters()
        if name.startswith(PREFIX) and flat_name_of_level(name.removeprefix(PREFIX)) in stem
    ]
    for name in frozen:
        model.get_parameter(name).requires_grad = False
    owners = map(model.get_submodule, sorted({name.rpartition(".")[0] for name in frozen}))
    # Positions and tokens belong to the whole network, which must not be in eval mode for them.
    return [module for module in owners if not any(w.requires_grad for w in module.parameters())]
