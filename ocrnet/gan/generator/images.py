"""Conversion between 8-bit images and the tensors of the GAN's networks."""

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

Image = npt.NDArray[np.uint8]  # (H, W, 3)
LabelMap = npt.NDArray[np.uint8]  # (H, W)


def to_tensor(image: Image) -> Float[Tensor, "3 H W"]:
    """Return an 8-bit image as a tensor in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 127.5 - 1


def to_image(tensor: Float[Tensor, "3 H W"]) -> Image:
    """Return a tensor in [-1, 1] as an 8-bit image."""
    scaled = ((tensor.float() + 1) * 127.5).round().clamp(0, 255)
    image: Image = scaled.to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
    return image
