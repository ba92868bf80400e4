"""The base of every segmenter: normalised images in, logits at feature resolution out."""

from typing import NamedTuple

from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

LEAST_SIDE = (
    64  # a smaller image is padded: the deepest feature map would be less than two pixels wide
)


class SegmenterOutput(NamedTuple):
    """Logits of the main and of the auxiliary head, at feature resolution."""

    logits: Float[Tensor, "B K h w"]
    aux_logits: Float[Tensor, "B K h2 w2"] | None


class SegmentationModel(nn.Module):
    """Base of the architectures in `ocrnet.models.ARCHS`.

    Attributes:
        align_corners: Whether resizing of the logits to the image aligns corners.
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


def normalise(
    images: UInt8[Tensor, "B 3 H W"],
    *,
    mean: Float[Tensor, "1 3 1 1"],
    std: Float[Tensor, "1 3 1 1"],
) -> Float[Tensor, "B 3 H W"]:
    """Return normalised images: RGB in [0, 1] less its mean, divided by its standard deviation."""
    return (images.float() / 255.0 - mean) / std


def full_size_logits(
    model: SegmentationModel,
    images: Float[Tensor, "B 3 H W"],
    *,
    least: tuple[int, int] = (0, 0),
) -> Float[Tensor, "B K H W"]:
    """Return logits at the size of normalised images of any size.

    Args:
        model: Model; images smaller than it takes or than `least` are padded at the right and the bottom.
        images: Normalised images, all of one size.
        least: Least (height, width) to pad to.
    """
    height, width = images.shape[-2:]
    tall, wide = max(LEAST_SIDE, least[0], height), max(LEAST_SIDE, least[1], width)
    padded = F.pad(images, (0, wide - width, 0, tall - height))
    logits = resize_logits(model(padded).logits, (tall, wide), align_corners=model.align_corners)
    return logits[:, :, :height, :width]
