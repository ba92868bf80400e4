"""What every segmenter is: images in, logits at feature resolution out."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class SegmenterOutput(NamedTuple):
    """Logits of the main and of the auxiliary head, at feature resolution."""

    logits: Float[Tensor, "B K h w"]
    aux_logits: Float[Tensor, "B K h2 w2"] | None


class SegmentationModel(nn.Module):
    """Base of the architectures in `ocrnet.models.ARCHS`.

    Attributes:
        align_corners: how logits are brought to the size of the image.
    """

    align_corners: bool

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> SegmenterOutput:
        """Return logits at feature resolution."""
        raise NotImplementedError


def resize_logits(
    logits: Float[Tensor, "B K h w"], size: tuple[int, int], *, align_corners: bool
) -> Float[Tensor, "B K H W"]:
    """Resize logits bilinearly to `size`, in float32."""
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits.float()
    return F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=align_corners)


def resize_features(
    feats: Float[Tensor, "B C h w"], size: tuple[int, int], *, align_corners: bool
) -> Float[Tensor, "B C H W"]:
    """Resize feature maps bilinearly to `size`, in their own precision."""
    return F.interpolate(feats, size=size, mode="bilinear", align_corners=align_corners)
