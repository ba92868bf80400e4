"""The encoder of a segmenter as a network from an image to one feature vector."""

from jaxtyping import Float
from torch import Tensor, cat, nn
from torch.nn import functional as F

from ocrnet.errors import BundleError
from ocrnet.models.backbones import Backbone, JoinedBackbone
from ocrnet.models.output import SegmentationModel
from ocrnet.models.unet import UNet


class Trunk(nn.Module):
    """The features of a segmenter's encoder: each level, averaged over the image.

    Coarse levels describe the objects and fine levels the texture, so a generated image with the right objects and a
    wrong texture is still far from a real image.

    Raises:
        BundleError: The architecture has no known encoder.
    """

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__()
        backbone = getattr(model, "backbone", None)
        if not isinstance(backbone, Backbone) and not isinstance(model, UNet):
            raise BundleError(
                f"features need a model with a backbone, {type(model).__name__} has none. Set another model.arch, or "
                "another select.extractor if that asked for them."
            )
        self._encoder: nn.Module = backbone if isinstance(backbone, Backbone) else model

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Return one vector per image."""
        return cat([level.mean(dim=(2, 3)) for level in self._levels(images)], dim=1)

    def _levels(self, images: Tensor) -> list[Tensor]:
        encoder = self._encoder
        if isinstance(encoder, JoinedBackbone):
            return encoder.levels(images).main
        if isinstance(encoder, Backbone):
            return list(encoder(images))
        assert isinstance(encoder, UNet)
        levels = [images]
        for index, block in enumerate(encoder.down):
            levels.append(block(F.max_pool2d(levels[-1], 2) if index else images))
        return levels[1:]
