"""The classes of a set by the values of its label maps: ids, colours, masks of black and white, or numbered objects.

| label maps hold | classes |
|---|---|
| 0 and one other value | background and object; also 255, which elsewhere means ignored |
| ids 0, 1, 2, ... and perhaps 255 | one class per id; 255 is ignored |
| other ids, at most 64 | one class per id, named in `data.label_map`; negative ids are ignored |
| ids 1 to n without a gap in each file, each in one piece | numbered objects: background and object |
| colours, at most 64 | one class per colour, black first, then by pixels; the edge colour of VOC is ignored |
| more colours, black among them | objects in colours of their own: background and object |
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ocrnet.auto_config.class_table import NamedClass
from ocrnet.auto_config.label_values import FileValues, totals
from ocrnet.data.stored_labels import Colour
from ocrnet.errors import DataError
from ocrnet.raw.label_maps import OTHER, format_value

MOST_VALUES = 64  # more ids or colours are not taken for classes
IGNORED_ID = 255
BLACK = (0, 0, 0)
VOC_EDGE = (224, 224, 192)
LEAST_OBJECTS = 3.0  # mean number of ids above 0 in a file of numbered objects
MOSTLY = 0.9  # share of files, and of objects, that must look like numbered objects
NAMED = "Names are those of the class table."
RENAME = "Names are unknown: rename them here and in data.label_map."


@dataclass(frozen=True)
class ClassChoice:
    """The classes of a set.

    Args:
        classes: Names, by class id.
        label_map: Value of `data.label_map`.
        palette: Value of `data.palette`.
        reason: What the label maps hold, as sentences.
        is_instances: Whether each object has a number or a colour of its own.
    """

    classes: tuple[str, ...]
    label_map: dict[int | str, str]
    palette: Literal["auto"] | tuple[Colour, ...]
    reason: str
    is_instances: bool = False


def choose_classes(files: Sequence[FileValues], table: Sequence[NamedClass] = ()) -> ClassChoice:
    """Return the classes that label maps show.

    Args:
        files: Values of the label maps.
        table: Class table of the folder; empty if there is none.

    Raises:
        DataError: The values are those of neither classes nor objects.
    """
    found = totals(files)
    shown = [
        value for value in found if value != VOC_EDGE and not (isinstance(value, int) and value < 0)
    ]
    if len(shown) < 2:
        words = format_value(shown[0]) if shown else "nothing but ignored pixels"
        raise DataError(f"E102 all label maps show one class ({words}). Label the objects in them.")
    if any(isinstance(value, tuple) for value in found):
        return _by_colour(_as_colours(files), table)
    if _are_objects(files):
        return _objects(f"Each object has a number, up to {max(_ids(found))}", {"0": "background"})
    palettes = _palette(files)
    if palettes is None:
        return _by_colour(_as_colours(files), table)
    return _by_id(found, palettes, table)


def _ids(found: Counter[int | Colour]) -> list[int]:
    return sorted(value for value in found if isinstance(value, int))


def _are_objects(files: Sequence[FileValues]) -> bool:
    """Return whether the ids number objects: in each file 1 to n without a gap, each in one piece, n not the same."""
    counted = [file for file in files if any(value > 0 for value in file.ids)]
    above = [[value for value in file.ids if value > 0] for file in counted]
    numbers = [len(ids) for ids in above]
    if not counted or sum(numbers) / len(numbers) < LEAST_OBJECTS or len(set(numbers)) == 1:
        return False
    in_a_row = sum(ids == list(range(1, len(ids) + 1)) for ids in above)
    pieces = [
        (file.whole, n) for file, n in zip(counted, numbers, strict=True) if file.whole is not None
    ]
    whole, objects = sum(one for one, _ in pieces), sum(n for _, n in pieces)
    return in_a_row >= MOSTLY * len(above) and objects > 0 and whole >= MOSTLY * objects


def _objects(words: str, named: dict[int | str, str]) -> ClassChoice:
    reason = f"{words}: all objects are one class. Rename object."
    return ClassChoice(("background", "object"), {**named, OTHER: "object"}, "auto", reason, True)


def _by_id(
    found: Counter[int | Colour], palette: dict[int, Colour], table: Sequence[NamedClass]
) -> ClassChoice:
    ids = _ids(found)
    ignored = [value for value in ids if value < 0]
    kept = [value for value in ids if value >= 0]
    if kept[-1] == IGNORED_ID and len(kept) > 2 and kept[-2] < MOST_VALUES:
        ignored.append(kept.pop())
    if len(kept) > MOST_VALUES:
        raise DataError(
            f"E101 label maps hold {len(kept)} ids from {kept[0]} to {kept[-1]}, which are neither up to {MOST_VALUES} "
            "classes nor numbered objects. Write data.label_map by hand: docs/data.md."
        )
    is_named = bool(table) and kept[-1] < len(table)
    if is_named:
        kept = list(range(len(table)))
    names = tuple(item.name for item in table) if is_named else _names_of_ids(kept, found)
    words = f"Label maps hold the ids {_listed(kept)}"
    words += f"; {_listed(sorted(ignored))} is ignored." if ignored else "."
    is_plain = kept == list(range(len(kept))) and not palette
    label_map: dict[int | str, str] = {} if is_plain else dict(zip(kept, names, strict=True))
    label_map |= {value: "ignore" for value in ignored if value < 0 or not is_plain}
    colours = tuple(palette[value] for value in kept if value in palette)
    has_colours = len(set(colours)) == len(names)
    return ClassChoice(
        names,
        label_map,
        colours if has_colours else "auto",
        f"{words} {NAMED if is_named else RENAME}",
    )


def _names_of_ids(kept: Sequence[int], found: Counter[int | Colour]) -> tuple[str, ...]:
    if len(kept) == 2 and kept[0] == 0:
        return "background", "object"
    first = "background" if kept[0] == 0 == max(kept, key=lambda value: found[value]) else None
    return tuple(first if first and value == 0 else f"class_{value}" for value in kept)


def _by_colour(found: Counter[Colour], table: Sequence[NamedClass]) -> ClassChoice:
    kept = sorted(
        set(found) - {VOC_EDGE}, key=lambda colour: (colour != BLACK, -found[colour], colour)
    )
    if len(kept) > MOST_VALUES:
        if BLACK not in found:
            raise DataError(
                f"E104 label maps hold {len(kept)} colours, which are no classes. Export them without smoothing and "
                "without lossy compression."
            )
        words = f"Label maps hold {len(kept)} colours, one for each object"
        return _objects(words, {format_value(BLACK): "background"})
    known = {item.colour: item.name for item in table if item.colour is not None}
    is_named = bool(known) and set(kept) <= set(known)
    if is_named:
        kept = list(known)
    names = tuple(known.values()) if is_named else _names_of_colours(kept, found)
    label_map: dict[int | str, str] = {}
    if VOC_EDGE in found:
        label_map = {format_value(c): name for c, name in zip(kept, names, strict=True)}
        label_map[format_value(VOC_EDGE)] = "ignore"
    reason = f"Label maps hold {len(kept)} colours. {NAMED if is_named else RENAME}"
    return ClassChoice(names, label_map, tuple(kept), reason)


def _names_of_colours(kept: Sequence[Colour], found: Counter[Colour]) -> tuple[str, ...]:
    has_ground = kept[0] == BLACK
    if has_ground and len(kept) == 2:
        return "background", "object"
    first = ["background"] if has_ground else []
    return (*first, *(f"class_{place}" for place in range(len(first), len(kept))))


def _palette(files: Sequence[FileValues]) -> dict[int, Colour] | None:
    """Return the colour of each id in palette files; None if files give an id different colours."""
    found: dict[int, Colour] = {}
    for file in files:
        for value, colour in file.colours.items():
            if found.setdefault(value, colour) != colour:
                return None
    return found


def _as_colours(files: Sequence[FileValues]) -> Counter[Colour]:
    """Return the pixels of each colour; a gray level v is (v, v, v)."""
    found: Counter[Colour] = Counter()
    for file in files:
        for value, count in file.counts.items():
            if isinstance(value, tuple):
                found[value] += count
            else:
                found[file.colours.get(value, (value, value, value))] += count
    return found


def _listed(values: Sequence[int]) -> str:
    if len(values) > 3 and list(values) == list(range(values[0], values[-1] + 1)):
        return f"{values[0]} to {values[-1]}"
    return ", ".join(map(str, values))
