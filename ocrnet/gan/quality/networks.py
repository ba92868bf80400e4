"""The project's own feature networks: the encoder of a segmenter, and random convolutions for tests."""

from jaxtyping import Float
from torch import Tensor, cat, nn
from torch.nn import functional as F

from ocrnet.errors import BundleError
from ocrnet.models.backbones import Backbone, JoinedBackbone
from ocrnet.models.output import SegmentationModel
from ocrnet.models.unet import UNet
from ocrnet.runtime import seeded

WIDTHS = (16, 32, 64)


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
                f"select.extractor: 'segmenter' needs a model with a backbone, {type(model).__name__} has none. "
                "Set another model.arch or another extractor."
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


class RandomConv(nn.Module):
    """Three convolutions with fixed random weights: mean and deviation of their output over the image."""

    def __init__(self) -> None:
        super().__init__()
        with seeded("random-conv"):
            layers = [
                nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.2))
                for before, after in zip((3, *WIDTHS), WIDTHS, strict=False)
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Return one vector per image."""
        feats = self.layers(images)
        return cat([feats.mean(dim=(2, 3)), feats.std(dim=(2, 3), correction=0)], dim=1)
