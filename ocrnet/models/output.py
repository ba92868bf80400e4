"""The base class of every segmenter: from normalised images to logits at feature resolution."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

# A smaller image is padded: the deepest feature map would be less than two pixels wide.
LEAST_SIDE = 64
OFFSET_UNIT = 16.0  # pixels: unit of the offsets that instance heads give


class SegmenterOutput(NamedTuple):
    """Logits of the main and the auxiliary head, and maps of the instance heads, at feature resolution."""

    logits: Float[Tensor, "B K h w"]
    aux_logits: Float[Tensor, "B K h2 w2"] | None
    instances: Float[Tensor, "B D h3 w3"] | None = None


class SegmentationModel(nn.Module):
    """Base class of the architectures in `ocrnet.models.ARCHS`.

    Attributes:
        align_corners: Whether resizing of the logits to the image aligns corners.
    """

    align_corners: bool

    @property
    def multiple(self) -> int:
        """Multiple in pixels to which the backbone pads the sides of images; 1 pads nothing."""
        return int(getattr(self._modules.get("backbone"), "multiple", 1))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> SegmenterOutput:
        """Return logits at feature resolution."""
        raise NotImplementedError

    def instance_maps(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        """Return the maps of the instance heads, without the semantic head.

        Raises:
            ValueError: The model has no instance heads.
        """
        heads = self._modules.get("instance_heads")
        if heads is None:
            raise ValueError("the model has no instance heads")
        backbone: Any = self._modules["backbone"]
        maps: Tensor = heads(backbone.levels(images).main)
        return maps


def resize_logits(
    logits: Float[Tensor, "B K h w"], size: tuple[Any, Any], *, align_corners: bool
) -> Float[Tensor, "B K H W"]:
    """Resize logits bilinearly to `size` (height, width), symbols during an export, in float32."""
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits.float()
    return F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=align_corners)


def resize_features(
    feats: Float[Tensor, "B C h w"], size: tuple[Any, Any], *, align_corners: bool
) -> Float[Tensor, "B C H W"]:
    """Resize feature maps bilinearly to `size` (height, width), symbols during an export, in their own precision."""
    return F.interpolate(feats, size=size, mode="bilinear", align_corners=align_corners)


def normalise(
    images: UInt8[Tensor, "B 3 H W"],
    *,
    mean: Float[Tensor, "1 3 1 1"],
    std: Float[Tensor, "1 3 1 1"],
) -> Float[Tensor, "B 3 H W"]:
    """Return normalised images: RGB in [0, 1] minus its mean, divided by its standard deviation."""
    return (images.float() / 255.0 - mean) / std


def full_size_logits(
    model: SegmentationModel,
    images: Float[Tensor, "B 3 H W"],
    *,
    least: tuple[int, int] = (0, 0),
) -> Float[Tensor, "B K H W"]:
    """Return logits at the size of normalised images of any size.

    Args:
        model: Segmenter.
        images: Normalised images, all of one size; images below the minimum size are padded at the right and bottom.
        least: Minimum (height, width) in pixels.
    """
    padded, (height, width) = _padded(model, images, least)
    logits = resize_logits(
        model(padded).logits,
        (padded.shape[-2], padded.shape[-1]),
        align_corners=model.align_corners,
    )
    return logits[:, :, :height, :width]


def full_size_instances(
    model: SegmentationModel, images: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, "B 3 H W"]:
    """Return the maps of the instance heads at the size of normalised images, offsets in pixels.

    Raises:
        ValueError: The model has no instance heads.
    """
    padded, size = _padded(model, images, (0, 0))
    return _offsets_at_size(model, model.instance_maps(padded), padded, size)


def full_size_parts(
    model: SegmentationModel, images: Float[Tensor, "B 3 H W"], *, resized: bool
) -> tuple[Float[Tensor, "B K H W"], Float[Tensor, "B D h w"]]:
    """Return logits at the size of normalised images, and the maps of the instance heads, of one pass.

    Args:
        model: Segmenter with instance heads.
        images: Normalised images of one size.
        resized: Whether the maps are those of `full_size_instances`, or those of `cell_maps`.
    """
    padded, (height, width) = _padded(model, images, (0, 0))
    output = model(padded)
    whole = (padded.shape[-2], padded.shape[-1])
    logits = resize_logits(output.logits, whole, align_corners=model.align_corners)
    maps = output.instances
    if resized:
        maps = _offsets_at_size(model, maps, padded, (height, width))
    return logits[:, :, :height, :width], maps


def _offsets_at_size(
    model: SegmentationModel, maps: Tensor, padded: Tensor, size: tuple[Any, Any]
) -> Float[Tensor, "B 3 H W"]:
    """Return maps of centres and offsets at the size of images, given their padded form, offsets in pixels."""
    whole = (padded.shape[-2], padded.shape[-1])
    found = resize_logits(maps, whole, align_corners=model.align_corners)
    units = torch.tensor([1.0, OFFSET_UNIT, OFFSET_UNIT], device=found.device)
    return found[:, :, : size[0], : size[1]] * units.view(1, 3, 1, 1)


def padded_side(side: int, multiple: int) -> int:
    """Return the height or width to which an image is padded, in pixels.

    Examples:
        >>> padded_side(40, 1), padded_side(70, 32)
        (64, 96)
    """
    return int(_raised(max(LEAST_SIDE, side), multiple))


def cell_maps(
    model: SegmentationModel, images: Float[Tensor, "B 3 H W"]
) -> tuple[Float[Tensor, "B D h w"], tuple[float, float]]:
    """Return the maps of the instance heads as they are, and the height and width of a cell in pixels.

    The last cells may lie outside images that are below the minimum size.

    Raises:
        ValueError: The model has no instance heads.
    """
    padded, _ = _padded(model, images, (0, 0))
    maps = model.instance_maps(padded)
    return maps, (padded.shape[-2] / maps.shape[-2], padded.shape[-1] / maps.shape[-1])


def _padded(
    model: SegmentationModel, images: Float[Tensor, "B 3 H W"], least: tuple[int, int]
) -> tuple[Float[Tensor, "B 3 h w"], tuple[Any, Any]]:
    """Return images padded to what the network needs, and the size before, which is of symbols in an export."""
    height, width = images.shape[-2:]
    # Padded here, the logits of what the backbone would pad are cut off after the resize and not before it.
    tall, wide = (
        _raised(torch.sym_max(smallest, side), model.multiple)
        for smallest, side in zip(least, (height, width), strict=True)
    )
    return F.pad(images, (0, wide - width, 0, tall - height)), (height, width)


def _raised(side: Any, multiple: int) -> Any:
    """Return the next multiple of at least LEAST_SIDE pixels; a side may be a symbol, which `max` would fix.

    Examples:
        >>> _raised(40, 1), _raised(70, 32), _raised(96, 32)
        (64, 96, 96)
    """
    # No number below zero is divided: ONNX rounds such a quotient up, Python down.
    return (torch.sym_max(LEAST_SIDE, side) + multiple - 1) // multiple * multiple
