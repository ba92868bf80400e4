"""Safetensors files as untrusted data: the header is checked before memory is allocated for the tensors."""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ocrnet.config.untrusted_json import parse_json

MAX_HEADER = 16 << 20  # bytes; a tensor needs about a hundred
DTYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "I32": torch.int32,
    "I64": torch.int64, "F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64,
}  # fmt: skip


@dataclass(frozen=True)
class TensorKind:
    """Type and shape of a tensor in a header."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """Return the text for messages, such as `float32 [8, 3]`."""
        return f"{str(self.dtype).removeprefix('torch.')} {list(self.shape)}"


def read_header(path: Path) -> dict[str, TensorKind]:
    """Read the header of a safetensors file.

    Raises:
        ValueError: The header is malformed or does not match the file.
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            raise ValueError(f"{size} bytes are no safetensors file")
        (length,) = struct.unpack("<Q", start)
        if length > min(MAX_HEADER, size - 8):
            raise ValueError(f"its header has {length} bytes, the file {size}")
        header = parse_json(file.read(length).decode())
    if not isinstance(header, dict):
        raise ValueError("its header is no table")
    header.pop("__metadata__", None)
    spans = {name: _span(name, entry) for name, entry in header.items()}
    end = 0
    for name, (_, first, last) in sorted(spans.items(), key=lambda item: item[1][1:]):
        if first != end:
            raise ValueError(
                f"{name!r} starts at byte {first}, but the tensor before ends at {end}"
            )
        end = last
    if end != size - 8 - length:
        raise ValueError(
            f"its tensors have {end} bytes, but the file has {size - 8 - length} for them"
        )
    return {name: kind for name, (kind, _, _) in spans.items()}


def _span(name: str, entry: Any) -> tuple[TensorKind, int, int]:
    """Return the kind of a tensor and the first and last offset of its values."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name!r} has no dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"{name!r} has dtype {str(dtype)[:20]!r}, allowed are {', '.join(DTYPES)}")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise ValueError(f"{name!r} has a shape or offsets that are not valid")
    kind = TensorKind(DTYPES[dtype], tuple(shape))
    first, last = offsets
    if last - first != math.prod(shape) * kind.dtype.itemsize:
        raise ValueError(f"{name!r} is {kind} in {last - first} bytes")
    return kind, first, last


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value < 2**63 for value in values
    )


def kind_differs(wanted: Mapping[str, Tensor], found: Mapping[str, TensorKind]) -> str | None:
    """Return the text about the differences between the tensors of a file and of a model; None if they fit.

    Args:
        wanted: State dict of the model, on any device.
        found: Header of the file.
    """
    kinds = {name: TensorKind(value.dtype, tuple(value.shape)) for name, value in wanted.items()}
    missing, strange = sorted(kinds.keys() - found.keys()), sorted(found.keys() - kinds.keys())
    if missing or strange:
        lines = [
            f"{words} {names[0]!r} and {len(names) - 1} more"
            if len(names) > 1
            else f"{words} {names[0]!r}"
            for words, names in (("it lacks", missing), ("the model has no", strange))
            if names
        ]
        return "; ".join(lines)
    other = next((name for name in kinds if kinds[name] != found[name]), None)
    return None if other is None else f"{other!r} is {found[other]}, the model has {kinds[other]}"


def read_finite(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file with a checked header.

    Raises:
        ValueError: A value is not finite, or a variance is negative.
        OSError: The file cannot be read.
    """
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    for name, values in tensors.items():
        if values.is_floating_point() and not bool(values.isfinite().all()):
            raise ValueError(f"{name!r} has values that are not finite")
        if name.endswith(("running_var", "num_batches_tracked")) and bool((values < 0).any()):
            raise ValueError(f"{name!r} has negative values")
    return tensors
