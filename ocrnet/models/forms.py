"""The variants of released OCR heads; all share the head itself and differ around it.

Biases of 1x1 projections are no difference: before a batch norm they fold exactly into its running mean.

| form | of | auxiliary head on its own map | auxiliary head on the shared map |
|---|---|---|---|
| official | HRNet/HRNet-Semantic-Segmentation, NVIDIA/semantic-segmentation | 3x3 to 512 | 1x1, as wide as the map |
| openseg | openseg.pytorch, branch pytorch-1.7 | 3x3 to 512 | 3x3, as wide as the map |
| openseg_leaky | openseg.pytorch, branch master: InPlaceABN, a leaky ReLU | as openseg | as openseg |
| mmseg | open-mmlab/mmsegmentation | 3x3 to 256 | 1x1, as wide as the map |
"""

from dataclasses import dataclass

DEEP_BASE = "deepbase_"  # before the name of a ResNet: with the stem of openseg.pytorch


@dataclass(frozen=True)
class Form:
    """What differs between released heads.

    Args:
        aux_width: Channels of the auxiliary head where it has a feature map of its own.
        shared_kernel: Kernel size of the auxiliary head where it takes the same feature map as the main head.
        negative_slope: Negative slope of the activations; 0 is ReLU.
        aux_dropout: Whether the auxiliary head has the dropout too, where it has a map of its own.
    """

    aux_width: int = 512
    shared_kernel: int = 1
    negative_slope: float = 0.0
    aux_dropout: bool = True


FORMS = {
    "official": Form(),
    "openseg": Form(shared_kernel=3),
    "openseg_leaky": Form(shared_kernel=3, negative_slope=0.01),
    "mmseg": Form(aux_width=256),
}
