"""Norm policies of `model.norm`: each has one line in `NORMS`; reading the table does not import torch.

Every architecture is built with batch norms; a policy then replaces them in place. Parameter names stay the same, so
released weights load with any policy.

| norm | statistics | trained | state dict |
|---|---|---|---|
| batch | over the images of one process | scale and shift | running statistics of the first process |
| sync | over the images of all processes | scale and shift | like batch |
| group | over one image, per group of channels | scale and shift | no running statistics |
| frozen | running statistics in the backbone; other norms are like batch | no norm of the backbone | like batch |
"""

from typing import TYPE_CHECKING

from ocrnet.components import load_component

if TYPE_CHECKING:
    from torch import nn

NORMS = {
    "batch": "ocrnet.models.norm_layers:keep_batch_norms",
    "sync": "ocrnet.distributed.sync_norms:synchronise_norms",
    "group": "ocrnet.models.norm_layers:group_norms",
    "frozen": "ocrnet.models.norm_layers:freeze_backbone_norms",
}


def apply_norm(model: "nn.Module", norm: str) -> None:
    """Replace the batch norms of a model, in place.

    Args:
        model: Newly built model.
        norm: Name in `NORMS`.

    Raises:
        ParamsError: The name is unknown, or the policy needs a backbone and the model has none.
    """
    load_component(NORMS, norm, key="model.norm")(model)
