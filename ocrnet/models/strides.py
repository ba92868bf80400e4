"""The forms in which a backbone gives its feature maps, and the form that `auto` means.

| name | feature maps |
|---|---|
| 8 | the last two levels of a network that is dilated to stride 8, as in the ResNets of the paper |
| 4 | the same at stride 4, for thin objects, with four times as many pixels; ResNets of timm refuse it |
| pyramid | all levels from stride 4 on, resized to the finest and concatenated, as in HRNet |
"""

import re

STRIDES = ("4", "8", "pyramid")
AUTO = "auto"
_RESNET = re.compile(r"(deepbase_)?(se|wide_)?resne(x|s)?t", re.ASCII)


def choose_stride(backbone: str) -> str:
    """Return the form that `model.stride: auto` means for a backbone.

    ResNets are dilated: that is the form of all released weights of OCRNet. Other networks give their pyramid, which
    takes less time than their dilated form (docs/models.md has the ratios).
    """
    return "8" if _RESNET.match(backbone) else "pyramid"
