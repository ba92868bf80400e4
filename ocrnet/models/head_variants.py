"""The variants of released OCR heads: they differ in the auxiliary head and in the activation.

Biases of 1x1 projections do not matter: before a batch norm they fold exactly into its running mean.

| variant | source | auxiliary head on its own map | auxiliary head on the shared map |
|---|---|---|---|
| official | HRNet/HRNet-Semantic-Segmentation, NVIDIA/semantic-segmentation | 3x3 to 512 | 1x1, as wide as the map |
| openseg | openseg.pytorch, branch pytorch-1.7 | 3x3 to 512 | 3x3, as wide as the map |
| openseg_leaky | openseg.pytorch, branch master: InPlaceABN, a leaky ReLU | as openseg | as openseg |
| mmseg | open-mmlab/mmsegmentation | 3x3 to 256 | 1x1, as wide as the map |
"""

from dataclasses import dataclass

DEEP_BASE = "deepbase_"  # prefix of the name of a ResNet with the stem of openseg.pytorch


def stem_options(backbone: str) -> dict[str, object]:
    """Return the arguments of `timm.create_model` for the stem of a backbone."""
    return {"stem_type": "deep", "stem_width": 64} if backbone.startswith(DEEP_BASE) else {}


@dataclass(frozen=True)
class HeadVariant:
    """The differences between released heads.

    Args:
        aux_width: Channels of the auxiliary head if it has a separate feature map.
        shared_kernel: Kernel size of the auxiliary head if it uses the feature map of the main head.
        negative_slope: Negative slope of the activations; 0 is ReLU.
        aux_dropout: Whether the auxiliary head also has dropout if it has a separate feature map.
    """

    aux_width: int = 512
    shared_kernel: int = 1
    negative_slope: float = 0.0
    aux_dropout: bool = True


HEAD_VARIANTS = {
    "official": HeadVariant(),
    "openseg": HeadVariant(shared_kernel=3),
    "openseg_leaky": HeadVariant(shared_kernel=3, negative_slope=0.01),
    "mmseg": HeadVariant(aux_width=256),
}
