"""The maps of instance heads for one image, at the size of a result, as arrays from which objects are decoded."""

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from ocrnet.models.attention_heads import AttentionHeads, Detections
from ocrnet.models.output import (
    SegmentationModel,
    cell_maps,
    full_size_instances,
    resize_logits,
)


@torch.inference_mode()
def offset_maps(
    model: SegmentationModel, image: Float[Tensor, "1 3 H W"], size: tuple[int, int]
) -> Float[np.ndarray, "3 H2 W2"] | None:
    """Return heat of a centre and way to the centre, in pixels; None if the model has no such heads.

    Args:
        model: Segmenter.
        image: Normalised image.
        size: (height, width) of the result, whose pixels the ways are measured in.
    """
    heads = getattr(model, "instance_heads", None)
    if heads is None or isinstance(heads, AttentionHeads):
        return None
    return offsets_at(full_size_instances(model, image), size)


def offsets_at(
    maps: Float[Tensor, "1 3 H W"], size: tuple[int, int]
) -> Float[np.ndarray, "3 H2 W2"]:
    """Return maps of centres and offsets of an image at another size (height, width), whose pixels are the unit."""
    factors = torch.tensor([1.0, size[0] / maps.shape[-2], size[1] / maps.shape[-1]])
    resized = resize_logits(maps, size, align_corners=False)
    found: npt.NDArray[np.float32] = (
        (resized * factors.to(resized.device).view(1, 3, 1, 1))[0].cpu().numpy()
    )
    return found


@torch.inference_mode()
def detection_maps(
    model: SegmentationModel, image: Float[Tensor, "1 3 H W"], size: tuple[int, int]
) -> Detections | None:
    """Return the maps of the attention heads; None without such heads.

    Args:
        model: Segmenter.
        image: Normalised image.
        size: (height, width) of the result.
    """
    if not isinstance(getattr(model, "instance_heads", None), AttentionHeads):
        return None
    maps, cell = cell_maps(model, image)
    scale = (size[0] / image.shape[-2], size[1] / image.shape[-1])
    return Detections(
        maps[0].float().cpu().numpy(), (cell[0] * scale[0], cell[1] * scale[1]), scale
    )
