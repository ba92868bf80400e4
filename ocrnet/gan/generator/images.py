"""Images as the networks of the GAN take them, and back."""

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

Image = npt.NDArray[np.uint8]  # (H, W, 3)
LabelMap = npt.NDArray[np.uint8]  # (H, W)


def to_tensor(image: Image) -> Float[Tensor, "3 H W"]:
    """Return an image of 8 bits as a tensor in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 127.5 - 1


def to_image(tensor: Float[Tensor, "3 H W"]) -> Image:
    """Return a tensor in [-1, 1] as an image of 8 bits."""
    scaled = ((tensor.float() + 1) * 127.5).round().clamp(0, 255)
    image: Image = scaled.to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
    return image
