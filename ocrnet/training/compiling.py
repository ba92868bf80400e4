"""Compilation of the segmenter that is trained (torch.compile), which changes its time and the last digits."""

import logging
import os
import shutil
from importlib.util import find_spec

import torch
from torch import nn

from ocrnet.errors import MachineError

logger = logging.getLogger(__name__)
COMPILERS = ("c++", "g++", "clang++")
TRITON_CAPABILITY = 7  # first major number of a compute capability that Triton has code for


def compile_if_wanted(model: nn.Module, wanted: bool | str, device: torch.device) -> None:
    """Compile a model in place, at its first call, if `train.compile` asks for it.

    Names of the weights stay; copies that were made before are not compiled. Each size of an image is compiled anew
    and for itself, so that a training that continues from a checkpoint runs the same code as before.

    Args:
        model: Model.
        wanted: Value of `train.compile`; auto compiles for GPUs of NVIDIA that Triton has code for.
        device: Device of the model.

    Raises:
        MachineError: The machine has no compiler of C++, or no Triton for its GPU.
    """
    if wanted is False:
        return
    missing = missing_tool(device.type)
    if wanted == "auto":
        is_fit = device.type == "cuda" and not missing
        if not is_fit or torch.cuda.get_device_capability(device)[0] < TRITON_CAPABILITY:
            return
    elif missing:
        raise MachineError(
            f"params.yaml: train.compile: found true, but {missing}. Install it, or set train.compile to false."
        )
    logger.info("the network is compiled at its first step, which takes a minute or more")
    model.compile(dynamic=False)


def missing_tool(kind: str) -> str:
    """Return what this machine lacks for compiled code on a type of device, in words; nothing if it has all."""
    given = os.environ.get("CXX", "")
    names = (given,) if given else COMPILERS
    if kind == "cuda" and find_spec("triton") is None:
        return "the package triton is not installed"
    if not any(map(shutil.which, names)):
        return f"this machine has no compiler of C++ ({', '.join(names)})"
    return ""
