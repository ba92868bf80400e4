"""Label maps: from stored values to class ids, their colours and their resizing.

How a raw id becomes a class id, in this order:

1. `data.label_map` mentions it: the class it names, or ignore.
2. it is `data.ignore_index`: ignore.
3. it is the id of a class and `data.label_map` sends no other id to that class: that class. With
   `{11: ignore}` the ids 0 to 10 stay themselves; with `{1: road, 2: car}` an id 0 is refused,
   since it would be mixed into road unseen.
4. it is unknown (E101).

A colour goes by the "r,g,b" entries of `data.label_map` if there are any, else by the palette, and
only where it is equal. `raw_values.py` says which files hold ids and which hold colours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from ocrnet.config import DataParams
from ocrnet.data.stored_labels import Colour
from ocrnet.errors import DataError, ParamsError

Reading = Literal["ids", "colours", "mixed"]


@dataclass(frozen=True)
class LabelRules:
    """How raw ids and colours become class ids; made by `label_rules`.

    Args:
        ids: Class id, or the ignored id, of each known raw id.
        colours: Class id, or the ignored id, of each known colour.
        merged: Classes to which another raw id is mapped, by their ids, which therefore are not raw ids of themselves.
        reading: How the values of a file with one band are read.
        named_ids: Ids that `data.label_map` names.
        check_palettes: Whether the colours of a palette file must not contradict its ids.
    """

    ids: dict[int, int]
    colours: dict[Colour, int]
    merged: dict[int, str]
    ignore_index: int
    reading: Reading = "ids"
    named_ids: frozenset[int] = frozenset()
    check_palettes: bool = True

    def class_of(self, value: int | Colour) -> int | None:
        """Return the class id or the ignored id of a raw value, or None where it is unknown."""
        if isinstance(value, tuple):
            return self.colours.get(value)
        return self.ids.get(value)


def label_rules(data: DataParams) -> LabelRules:
    """Read the rules from `data.label_map`, `data.classes`, `data.ignore_index` and `data.palette`.

    Raises:
        ParamsError: A key of the label map is neither an id nor "r,g,b", or two keys are one value
            and name different classes.
    """
    mentioned, colours = _keys(data)
    merged = {
        i: name
        for i, name in enumerate(data.classes)
        if i not in mentioned and i in mentioned.values()
    }
    own = {i: i for i in range(len(data.classes)) if i not in merged}
    reading: Reading = "ids"
    if colours:
        reading = "mixed" if mentioned else "colours"
    elif data.palette != "auto" and not mentioned:
        reading = "colours"
    known = {data.ignore_index: data.ignore_index} | own | mentioned
    if reading == "mixed":
        known = _ids_and_levels(mentioned, colours)
        merged = {}
    return LabelRules(
        ids=known,
        colours=colours or {colour: i for i, colour in enumerate(palette_of(data))},
        merged=merged,
        ignore_index=data.ignore_index,
        reading=reading,
        named_ids=frozenset(mentioned),
        check_palettes=data.palette != "auto" or not mentioned,
    )


def _keys(data: DataParams) -> tuple[dict[int, int], dict[Colour, int]]:
    """Return the class of each id and of each colour that `data.label_map` names."""
    targets = {name: i for i, name in enumerate(data.classes)} | {"ignore": data.ignore_index}
    ids: dict[int, int] = {}
    colours: dict[Colour, int] = {}
    for key, name in data.label_map.items():
        value, target = parse_raw_value(key), targets[name]
        known: dict[Any, int] = colours if isinstance(value, tuple) else ids
        if known.setdefault(value, target) != target:
            raise ParamsError(
                f"params.yaml: data.label_map: {format_value(value)} stands twice, for different "
                "classes. Keep one."
            )
    return ids, colours


def _ids_and_levels(ids: dict[int, int], colours: dict[Colour, int]) -> dict[int, int]:
    """Return what the values of a gray file mean: named ids, and the levels of gray colours."""
    levels = {colour[0]: target for colour, target in colours.items() if len(set(colour)) == 1}
    for level, target in levels.items():
        if ids.get(level, target) != target:
            raise ParamsError(
                f'params.yaml: data.label_map: {level} and "{level},{level},{level}" are the same '
                "in a gray label map, and name different classes. Keep one."
            )
    return levels | ids


def parse_raw_value(key: int | str) -> int | Colour:
    """Read a key of `data.label_map`: an id, negative ones too, or a colour written "r,g,b".

    Raises:
        ParamsError: The key is neither.
    """
    parts = [part.strip() for part in str(key).split(",")]
    if len(parts) == 1 and parts[0].removeprefix("-").isdecimal():
        return int(parts[0])
    numbers = [int(part) for part in parts if part.isdecimal()]
    if len(numbers) == len(parts) == 3 and max(numbers) <= 255:
        return numbers[0], numbers[1], numbers[2]
    raise ParamsError(
        f"params.yaml: data.label_map: key {key!r} is neither an id (11) nor a colour "
        '("128,64,128").'
    )


def format_value(value: int | Colour) -> str:
    """Write a raw value as `data.label_map` names it: "11" or "128,64,128"."""
    return ",".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def count_values(raw: npt.NDArray[Any]) -> dict[int | Colour, int]:
    """Count the pixels of each raw value, in the order of the values."""
    if raw.ndim == 3:
        values, counts = np.unique(_pack(raw), return_counts=True)
        return {_unpack(int(v)): int(n) for v, n in zip(values, counts, strict=True)}
    if raw.dtype == np.uint8:
        histogram = np.bincount(raw.reshape(-1), minlength=256)
        return {int(v): int(histogram[v]) for v in np.flatnonzero(histogram)}
    values, counts = np.unique(raw, return_counts=True)
    return {int(v): int(n) for v, n in zip(values, counts, strict=True)}


def first_position(raw: npt.NDArray[Any], value: int | Colour) -> tuple[int, int]:
    """Return x and y of the first pixel with a raw value, row by row."""
    flat = (raw == value) if raw.ndim == 2 else (raw == np.array(value)).all(axis=2)
    y, x = np.unravel_index(int(np.argmax(flat)), flat.shape)
    return int(x), int(y)


def to_class_ids(raw: npt.NDArray[Any], rules: LabelRules) -> npt.NDArray[np.uint8]:
    """Turn a raw label map into class ids.

    Raises:
        DataError: The label map has a value that is not in the rules.
    """
    packed = _pack(raw) if raw.ndim == 3 else raw
    known = {value: _class_of(rules, value) for value in count_values(raw)}
    if raw.dtype == np.uint8 and raw.ndim == 2:
        table = np.zeros(256, dtype=np.uint8)
        table[[int(str(value)) for value in known]] = list(known.values())
        return np.asarray(table[raw])
    _, inverse = np.unique(packed, return_inverse=True)
    ids = np.array(list(known.values()), dtype=np.uint8)
    return np.asarray(ids[inverse].reshape(packed.shape))


def voc_palette(count: int) -> tuple[Colour, ...]:
    """Return the first colours of the PASCAL VOC palette: bits of the id spread over channels."""
    colours = []
    for i in range(count):
        channels = [0, 0, 0]
        for place in range(8):
            for channel in range(3):
                bit = (i >> (3 * place + channel)) & 1
                channels[channel] |= bit << (7 - place)
        colours.append((channels[0], channels[1], channels[2]))
    return tuple(colours)


def palette_of(data: DataParams) -> tuple[Colour, ...]:
    """Return the colours of the classes: those of `data.palette`, or VOC's."""
    return voc_palette(len(data.classes)) if data.palette == "auto" else data.palette


def resize_label_map(
    label_map: npt.NDArray[np.uint8], size: Sequence[int]
) -> npt.NDArray[np.uint8]:
    """Change a label map to (height, width) by the nearest pixel, so that no new id appears."""
    height, width = size
    return np.array(Image.fromarray(label_map).resize((width, height), Image.Resampling.NEAREST))


def _class_of(rules: LabelRules, value: int | Colour) -> int:
    class_id = rules.class_of(value)
    if class_id is None:
        code = "E104" if isinstance(value, tuple) else "E101"
        raise DataError(f"{code} unknown raw value {value}. Run validate, which names the files.")
    return class_id


def _pack(colours: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    wide = colours.astype(np.uint32)
    return np.asarray((wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2], dtype=np.uint32)


def _unpack(packed: int) -> Colour:
    return packed >> 16, (packed >> 8) & 255, packed & 255
