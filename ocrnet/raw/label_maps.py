"""Label maps: from stored values to class ids, their colours and their resizing.

The first rule that applies turns a raw id into a class id:

1. `data.label_map` names it: the class of the entry, or ignore.
2. It is `data.ignore_index`: ignore.
3. It is the id of a class, and `data.label_map` maps no other id to that class: that class. With
   `{11: ignore}` the ids 0 to 10 keep their classes; with `{1: road, 2: car}` an id 0 is refused,
   since it would be mixed into road unnoticed.
4. `data.label_map` has the key `other`: its class. Then the rules 2 and 3 do not hold, so that `{"0": background,
   other: cell}` reads maps that number each object, 255 objects or more.
5. It is unknown (E101).

A colour gets its class from the "r,g,b" entries of `data.label_map` if there are any, else from the palette. It must
be exactly equal; where the entries are colours, `other` is the class of all other colours. `raw_values.py` decides
which files contain ids and which contain colours.
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
# Sources that draw label maps of class ids from annotations; `data.label_map` names categories there.
DRAWN_SOURCES = frozenset({"coco", "labelme", "yolo"})
OTHER = "other"  # key of `data.label_map` for all values that it does not name


@dataclass(frozen=True)
class LabelRules:
    """How raw ids and colours become class ids; made by `label_rules`.

    Args:
        ids: Class id, or the ignored id, of each known raw id.
        colours: Class id, or the ignored id, of each known colour.
        merged: Names, by class id, of the classes that another raw id is mapped to; their own ids are unknown raw ids.
        ignore_index: Id of ignored pixels.
        reading: How the values of a file with one band are read.
        named_ids: Ids that `data.label_map` names.
        check_palettes: Whether the colours of a palette file must not contradict its ids.
        other_id: Class id of the ids that are not in `ids`; None if they are unknown.
        other_colour: Class id of the colours that are not in `colours`; None if they are unknown.
    """

    ids: dict[int, int]
    colours: dict[Colour, int]
    merged: dict[int, str]
    ignore_index: int
    reading: Reading = "ids"
    named_ids: frozenset[int] = frozenset()
    check_palettes: bool = True
    other_id: int | None = None
    other_colour: int | None = None

    def class_of(self, value: int | Colour) -> int | None:
        """Return the class id or the ignored id of a raw value, or None where it is unknown."""
        if isinstance(value, tuple):
            return self.colours.get(value, self.other_colour)
        return self.ids.get(value, self.other_id)


def label_rules(data: DataParams) -> LabelRules:
    """Return the rules by `data.label_map`, `data.classes`, `data.ignore_index` and `data.palette`.

    Label maps that a source draws hold class ids already.

    Raises:
        ParamsError: A key of the label map is neither an id nor "r,g,b", or two keys are the same value
            with different classes.
    """
    if data.source in DRAWN_SOURCES:
        own = {i: i for i in (*range(len(data.classes)), data.ignore_index)}
        return LabelRules(own, {}, {}, data.ignore_index, check_palettes=False)
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
    other = _targets(data).get(data.label_map.get(OTHER, ""))
    if reading == "mixed":
        known = _ids_and_levels(mentioned, colours)
        merged = {}
    elif other is not None:
        known, merged = mentioned, {}
    return LabelRules(
        ids=known,
        colours=colours or {colour: i for i, colour in enumerate(palette_of(data))},
        merged=merged,
        ignore_index=data.ignore_index,
        reading=reading,
        named_ids=frozenset(mentioned),
        check_palettes=(data.palette != "auto" or not mentioned) and other is None,
        other_id=other if mentioned or not colours else None,
        other_colour=other if colours else None,
    )


def _keys(data: DataParams) -> tuple[dict[int, int], dict[Colour, int]]:
    """Return the class of each id and of each colour that `data.label_map` names."""
    targets = _targets(data)
    ids: dict[int, int] = {}
    colours: dict[Colour, int] = {}
    for key, name in data.label_map.items():
        if key == OTHER:
            continue
        value, target = parse_raw_value(key), targets[name]
        known: dict[Any, int] = colours if isinstance(value, tuple) else ids
        if known.setdefault(value, target) != target:
            raise ParamsError(
                f"params.yaml: data.label_map: {format_value(value)} is there twice, with different "
                "classes. Keep one."
            )
    return ids, colours


def _targets(data: DataParams) -> dict[str, int]:
    """Return the class id, or the ignored id, that each name in `data.label_map` means."""
    return {name: i for i, name in enumerate(data.classes)} | {"ignore": data.ignore_index}


def _ids_and_levels(ids: dict[int, int], colours: dict[Colour, int]) -> dict[int, int]:
    """Return the class of each value of a gray file: of named ids, and of the levels of gray colours."""
    levels = {colour[0]: target for colour, target in colours.items() if len(set(colour)) == 1}
    for level, target in levels.items():
        if ids.get(level, target) != target:
            raise ParamsError(
                f'params.yaml: data.label_map: {level} and "{level},{level},{level}" are the same '
                "in a gray label map, and name different classes. Keep one."
            )
    return levels | ids


def parse_raw_value(key: int | str) -> int | Colour:
    """Parse a key of `data.label_map`: an id, which may be negative, or a colour "r,g,b".

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
        f"params.yaml: data.label_map: key {key!r} is neither an id (11), nor a colour "
        '("128,64,128"), nor the word other.'
    )


def format_value(value: int | Colour) -> str:
    """Write a raw value as `data.label_map` names it: "11" or "128,64,128"."""
    return ",".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def count_values(raw: npt.NDArray[Any]) -> dict[int | Colour, int]:
    """Count the pixels of each raw value, sorted by value."""
    if raw.ndim == 3:
        values, counts = np.unique(_pack(raw), return_counts=True)
        return {_unpack(int(v)): int(n) for v, n in zip(values, counts, strict=True)}
    if raw.dtype == np.uint8:
        histogram = np.bincount(raw.reshape(-1), minlength=256)
        return {int(v): int(histogram[v]) for v in np.flatnonzero(histogram)}
    values, counts = np.unique(raw, return_counts=True)
    return {int(v): int(n) for v, n in zip(values, counts, strict=True)}


def first_position(raw: npt.NDArray[Any], value: int | Colour) -> tuple[int, int]:
    """Return x and y of the first pixel, row by row, that has a raw value."""
    flat = (raw == value) if raw.ndim == 2 else (raw == np.array(value)).all(axis=2)
    y, x = np.unravel_index(int(np.argmax(flat)), flat.shape)
    return int(x), int(y)


def to_class_ids(raw: npt.NDArray[Any], rules: LabelRules) -> npt.NDArray[np.uint8]:
    """Convert a raw label map to class ids.

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
    """Return the first `count` colours of the PASCAL VOC palette, which spreads the bits of the id over channels."""
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
    """Return the colours of the classes: `data.palette`, or the VOC palette."""
    return voc_palette(len(data.classes)) if data.palette == "auto" else data.palette


def resize_label_map(
    label_map: npt.NDArray[np.uint8], size: Sequence[int]
) -> npt.NDArray[np.uint8]:
    """Resize a label map to (height, width) by nearest neighbour, so that no new id appears."""
    height, width = size
    return np.array(Image.fromarray(label_map).resize((width, height), Image.Resampling.NEAREST))


def _class_of(rules: LabelRules, value: int | Colour) -> int:
    class_id = rules.class_of(value)
    if class_id is None:
        code = "E104" if isinstance(value, tuple) else "E101"
        raise DataError(
            f"{code} unknown raw value {value}. Run `dvc repro validate`, which lists the files."
        )
    return class_id


def _pack(colours: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    wide = colours.astype(np.uint32)
    return np.asarray((wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2], dtype=np.uint32)


def _unpack(packed: int) -> Colour:
    return packed >> 16, (packed >> 8) & 255, packed & 255
