"""Norm policies of `model.norm`: one line in `NORMS` each; the table costs no torch.

Every architecture is built with batch norms; a policy then exchanges them in place. Parameter names stay, so released
weights load under any of them.

| norm | statistics | trained | state dict |
|---|---|---|---|
| batch | of the images of one process | scale and shift | running statistics of the first process |
| sync | of the images of all processes | scale and shift | as batch |
| group | of one image, per group of channels | scale and shift | no running statistics |
| frozen | running ones, in the backbone; its other norms stay as batch | nothing in the backbone's norms | as batch |
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

NORMS = {
    "batch": "ocrnet.models.norm_layers:keep_batch_norms",
    "sync": "ocrnet.models.norm_layers:synchronise_norms",
    "group": "ocrnet.models.norm_layers:group_norms",
    "frozen": "ocrnet.models.norm_layers:freeze_backbone_norms",
}


def apply_norm(model: "nn.Module", norm: str) -> None:
    """Exchange the batch norms of a model, in place.

    Args:
        model: Model as its constructor left it.
        norm: Name in `NORMS`.

    Raises:
        ValueError: The name is unknown.
        ParamsError: The policy needs a backbone and the model has none.
    """
    if norm not in NORMS:
        raise ValueError(f"model.norm {norm!r} is unknown. Known: {', '.join(NORMS)}.")
    module, name = NORMS[norm].split(":")
    getattr(import_module(module), name)(model)
