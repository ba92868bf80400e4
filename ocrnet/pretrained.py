"""Pretrained backbone weights: timm's, downloaded because the user asked for them, or from a file."""

import logging
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor

from ocrnet.errors import BundleError
from ocrnet.models.output import SegmentationModel

logger = logging.getLogger(__name__)
LEAST_MATCHED = 0.95  # share of the backbone's entries; below it the file is for another network


def load_backbone_weights(model: SegmentationModel, backbone: str, pretrained: bool | str) -> None:
    """Load pretrained weights into a model's backbone.

    Args:
        model: a segmenter with `backbone.net`.
        backbone: the timm name.
        pretrained: false leaves the random weights; true takes timm's; a path takes that file (.safetensors or .pth).

    Raises:
        BundleError: the file is missing, or less than 95% of the backbone's entries are in it with the right shape.
    """
    if pretrained is False:
        return
    if pretrained is True:
        weights = timm.create_model(backbone, pretrained=True).state_dict()
    else:
        weights = _read(Path(pretrained))
    net = model.get_submodule("backbone.net")
    own = net.state_dict()
    fitting = {n: v for n, v in weights.items() if n in own and own[n].shape == v.shape}
    share = len(fitting) / len(own)
    if share < LEAST_MATCHED:
        raise BundleError(
            f"model.pretrained {pretrained}: {share:.0%} of the entries of {backbone} are in it, at least "
            f"{LEAST_MATCHED:.0%} are needed. Is it a file of another backbone?"
        )
    net.load_state_dict({**own, **fitting})
    logger.info("loaded %d of %d backbone entries from %s", len(fitting), len(own), pretrained)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise BundleError(f"model.pretrained {path}: no such file. Give a path, true or false.")
    if path.suffix == ".safetensors":
        return dict(load_file(path))
    loaded = torch.load(str(path), map_location="cpu", weights_only=True)
    weights: dict[str, Tensor] = loaded.get("state_dict", loaded)
    return weights
