"""Losses: one file and one line in `LOSSES` each.

Every loss is a module called with full-size logits and label maps. Ignored pixels change nothing; a batch
without one valid pixel gives zero with finite gradients; a label that is neither a class nor ignored is
refused before any kernel runs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

LOSSES = {
    "ce": "ocrnet.losses.cross_entropy:CrossEntropy",
    "ohem": "ocrnet.losses.ohem:OhemCrossEntropy",
}


def build_loss(name: str, *, num_classes: int, ignore_index: int, **options: Any) -> "nn.Module":
    """Build a loss by its name in `LOSSES`.

    Raises:
        ValueError: the name is unknown.
    """
    if name not in LOSSES:
        raise ValueError(f"train.loss {name!r} is unknown. Known: {', '.join(LOSSES)}.")
    module, attribute = LOSSES[name].split(":")
    loss: nn.Module = getattr(import_module(module), attribute)(
        num_classes=num_classes, ignore_index=ignore_index, **options
    )
    return loss
