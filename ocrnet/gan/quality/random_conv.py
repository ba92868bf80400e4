"""Random convolutions as a feature network, for tests and where nothing else fits."""

from jaxtyping import Float
from torch import Tensor, cat, nn

from ocrnet.runtime import seeded

WIDTHS = (16, 32, 64)


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
