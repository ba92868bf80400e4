"""The weights of the parity fixtures, and the official names of the OCR head in ours."""

import hashlib

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

HEAD_NAMES = {
    "conv3x3_ocr": "head.reduce",
    "ocr_distri_head.object_context_block.f_pixel": "head.to_query",
    "ocr_distri_head.object_context_block.f_object": "head.to_key",
    "ocr_distri_head.object_context_block.f_down": "head.to_value",
    "ocr_distri_head.object_context_block.f_up": "head.to_context",
    "ocr_distri_head.conv_bn_dropout": "head.fuse",
    "cls_head": "head.classify",
    "aux_head": "aux_head",
}


def fill_value(key: str, shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
    """Return the fixture's value of a state-dict entry: uniform noise seeded by the sha256 of its key."""
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    noise = np.random.default_rng(seed).random(int(np.prod(shape, dtype=int))).reshape(shape)
    if leaf == "running_var" or (leaf == "weight" and len(shape) == 1):
        return (0.5 + noise).astype(np.float32)
    if leaf in ("running_mean", "bias"):
        return (0.2 * (2 * noise - 1)).astype(np.float32)
    backbone = key.startswith(("conv1.", "conv2.", "layer", "transition", "stage"))
    gain = 0.6 if backbone else 1.0
    return np.asarray(gain * np.sqrt(3.0 / np.prod(shape[1:])) * (2 * noise - 1)).astype(np.float32)


def our_name(key: str) -> str:
    """Return our name of an entry of the official head.

    Official norms sit in a wrapper one level deeper (`f_pixel.1.0.weight`) than ours and leave no index for the ReLU.
    """
    prefix = next(name for name in HEAD_NAMES if key.startswith(name + "."))
    rest = key.removeprefix(prefix + ".").split(".")
    wrapped = len(rest) == 3
    if wrapped:
        rest = [rest[0], rest[2]]
    if prefix.endswith(("f_pixel", "f_object")) and rest[0] in ("2", "3"):
        rest[0] = str(int(rest[0]) + 1)
    return ".".join([HEAD_NAMES[prefix], *rest])


def load_official(module: nn.Module, keys: dict[str, list[int]]) -> None:
    """Fill a module with the fixture's weights; every entry must be met exactly once."""
    state: dict[str, Tensor] = {
        our_name(key): torch.from_numpy(fill_value(key, tuple(shape)))
        for key, shape in keys.items()
    }
    assert len(state) == len(keys)
    module.load_state_dict(state, strict=True)
