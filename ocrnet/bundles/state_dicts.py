"""Reading of a state dict from a file of any program without running its code."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ocrnet.bundles.tensors import read_finite, read_header
from ocrnet.errors import BundleError

# Keys under which training programs store the weights in a checkpoint; a bare state dict has none of these.
WRAPPERS = ("state_dict", "model_state_dict", "model", "weights")


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a .pth or .safetensors file.

    Raises:
        BundleError: The file is missing or damaged, contains code, or is not a state dict.
    """
    if not path.is_file():
        raise BundleError(
            f"{path}: no such file. Name a .pth or .safetensors file, or the folder of a bundle."
        )
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _state_dict(path, _read_pickle(path))


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        read_header(path)
        return read_finite(path)
    except (ValueError, OSError) as error:
        raise BundleError(
            f"{path}: the file is damaged or not a safetensors file ({_first_line(error)}). Download it again."
        ) from error


def _read_pickle(path: Path) -> Any:
    try:
        return torch.load(str(path), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" not in str(error):
            raise _damaged(path, error) from error
        raise BundleError(
            f"{path}: the file contains code or objects besides weights, which are never loaded. If you trust it, save "
            "only its state dict: torch.save(torch.load(old, weights_only=False)['state_dict'], new)."
        ) from error
    except Exception as error:  # an unpickler may raise any error on arbitrary bytes
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> BundleError:
    return BundleError(
        f"{path}: the file is damaged or not from torch.save ({_first_line(error)}). Download it again."
    )


def _state_dict(path: Path, loaded: Any) -> dict[str, Tensor]:
    found = loaded
    if isinstance(loaded, Mapping):
        wrapped = (loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), Mapping))
        found = next(wrapped, loaded)
    if not isinstance(found, Mapping) or not found:
        raise BundleError(
            f"{path}: expected a state dict, found {type(found).__name__}. Save model.state_dict()."
        )
    strange = next((k for k, v in found.items() if not isinstance(v, Tensor)), None)
    if strange is not None or not all(isinstance(key, str) for key in found):
        raise BundleError(
            f"{path}: expected a state dict, but the entry {strange!r} is no tensor. Save model.state_dict(), "
            f"bare or under one of {', '.join(WRAPPERS)}."
        )
    return dict(found)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:160]
