"""The check of the labels in every loss."""

import torch
from jaxtyping import Int
from torch import Tensor

from ocrnet.errors import DataError


def check_labels(label_maps: Int[Tensor, "B H W"], *, num_classes: int, ignore_index: int) -> None:
    """Refuse a label that is neither a class nor ignored.

    Raises:
        DataError: There is such a label; the message names its value.
    """
    wrong = (label_maps != ignore_index) & ((label_maps < 0) | (label_maps >= num_classes))
    if bool(torch.any(wrong)):
        value = int(label_maps[wrong][0])
        raise DataError(
            f"label {value} is neither a class (0 to {num_classes - 1}) nor ignore_index {ignore_index}. "
            "Map it in data.label_map."
        )
