"""The raw values of all label maps of a set, before anything is known about its classes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ocrnet.data.stored_labels import Colour, StoredLabels, decode_label_map, name_format
from ocrnet.errors import DataError
from ocrnet.errors.machine import machine_error
from ocrnet.raw.label_maps import count_values

SAMPLED = 60  # label maps in which objects are counted
SEVERAL = 4  # fewer ids in a whole set are classes, not numbers of objects
Item = TypeVar("Item")
_AROUND = np.ones((3, 3), dtype=bool)  # pixels that touch at a corner are one piece


@dataclass(frozen=True)
class FileValues:
    """The values of one label map.

    Args:
        counts: Pixels of each id or colour.
        colours: Colour of each id that occurs in a palette file; empty for other files.
        whole: Number of the ids above 0 that are a single piece; None if this was not counted.
    """

    counts: dict[int | Colour, int]
    colours: dict[int, Colour]
    whole: int | None = None

    @property
    def ids(self) -> list[int]:
        """The ids, sorted; empty for a file of colours."""
        return sorted(value for value in self.counts if isinstance(value, int))


def read_label_values(paths: Sequence[Path]) -> list[FileValues]:
    """Return the values of each label map that can be read; the scan names the others.

    Raises:
        DataError: No label map can be read, or one is compressed with loss.
    """
    found: list[FileValues] = []
    faults: list[str] = []
    sampled = set(spread(range(len(paths)), SAMPLED))
    for place, path in enumerate(paths):
        try:
            labels = decode_label_map(path, exif="ignore")
        except DataError as error:
            known = machine_error(error)
            if known is not None:
                raise known from error
            faults.append(str(error))
            continue
        if labels.header.storage.lossy:
            raise DataError(
                f"E105 {path} is {name_format(labels.header)}. Re-export all label maps as PNG: lossy compression "
                "changes class ids."
            )
        found.append(_values(labels, count_pieces=place in sampled))
    if not found:
        raise DataError(faults[0] if faults else "E114 no image has a label map.")
    return found


def spread(items: Iterable[Item], count: int) -> list[Item]:
    """Return at most `count` items, evenly spread."""
    known = list(items)
    if len(known) <= count:
        return known
    return [known[round(i * (len(known) - 1) / (count - 1))] for i in range(count)]


def totals(files: Iterable[FileValues]) -> Counter[int | Colour]:
    """Return the pixels of each value over all files."""
    found: Counter[int | Colour] = Counter()
    for file in files:
        found.update(file.counts)
    return found


def _values(labels: StoredLabels, *, count_pieces: bool) -> FileValues:
    counts = count_values(labels.values)
    is_palette = labels.header.storage.colours == "palette" and labels.colours is not None
    shown = labels.colours or {}
    colours = {v: shown[v] for v in counts if isinstance(v, int) and v in shown}
    whole = None
    if labels.values.ndim == 2 and count_pieces and max(map(_id, counts)) >= SEVERAL:
        whole = _whole_objects(labels.values)
    return FileValues(counts, colours if is_palette else {}, whole)


def _id(value: int | Colour) -> int:
    return value if isinstance(value, int) else 0


def _whole_objects(values: npt.NDArray[Any]) -> int:
    """Return how many ids above 0 are a single piece."""
    own, numbered = np.unique(values, return_inverse=True)
    numbered = numbered.reshape(values.shape) + 1
    boxes = ndimage.find_objects(numbered)
    pieces = 0
    for number, (value, box) in enumerate(zip(own.tolist(), boxes, strict=True), start=1):
        if value > 0:
            pieces += int(ndimage.label(numbered[box] == number, _AROUND)[1] == 1)
    return pieces
