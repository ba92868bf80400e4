"""Interpretation of the stored values of a label map as ids or colours.

The params decide this for all files of a set alike; the mode in which a tool saved a file does not:

| `data.label_map` and `data.palette` | a gray file | a palette file | an RGB file |
|---|---|---|---|
| name no colours | its values are ids | its indexes are ids | colours of the VOC palette |
| name colours | a level v is the colour (v, v, v) | the colours of its own palette | colours |
| a palette, and ids as keys | its values are ids | its indexes are ids | colours |
| ids and colours as keys | an id that is a key, else (v, v, v) | the colours of its own palette | colours |

If both ways of reading a file give classes, and these differ, the file is refused.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ocrnet.config.base import PILLOW_PIXELS
from ocrnet.data.stored_labels import Colour, StoredLabels, checked_label_map
from ocrnet.data.stored_pixels import Exif
from ocrnet.errors import DataError
from ocrnet.raw.label_maps import LabelRules

Array = npt.NDArray[Any]

_NAME_IDS = "If its values are ids, name them: data.label_map: {0: NAME, 1: NAME, ...}."


def read_values(
    path: Path, rules: LabelRules, *, exif: Exif = "error", max_pixels: int = PILLOW_PIXELS
) -> Array:
    """Read the ids (H, W) or the colours (H, W, 3) of a label map.

    Raises:
        DataError: The file cannot be read or is ambiguous.
    """
    return values_by(rules, checked_label_map(path, exif=exif, max_pixels=max_pixels), path)


def values_by(rules: LabelRules, labels: StoredLabels, path: Path) -> Array:
    """Return the ids (H, W) or the colours (H, W, 3) that stored values mean by the rules.

    Raises:
        DataError: The values are ambiguous, or are not colours where the rules need colours.
    """
    if labels.values.ndim == 3:
        return labels.values
    palette = labels.header.storage.colours == "palette"
    if rules.reading == "colours" or (rules.reading == "mixed" and palette):
        return _colours(labels, path)
    if rules.reading == "mixed":
        return _ids_or_levels(rules, labels, path)
    if palette and rules.check_palettes:
        _refuse_contradiction(rules, labels, path)
    return labels.values


def palette_of_ids(rules: LabelRules, labels: StoredLabels) -> dict[int, Colour]:
    """Return the colours of the indexes that are read as ids by default, not by a param."""
    unsure = rules.reading == "ids" and not rules.named_ids
    if not unsure or labels.header.storage.colours != "palette" or labels.colours is None:
        return {}
    return {value: labels.colours[value] for value in _present(labels) if value in labels.colours}


def palettes_apart(palettes: Sequence[dict[int, Colour]]) -> list[bool]:
    """Return for each palette whether one of its colours has another index than in most palettes.

    A colour that occurs twice in a palette is not compared.
    """
    places: dict[Colour, Counter[int]] = {}
    own = []
    for palette in palettes:
        times = Counter(palette.values())
        own.append({colour: i for i, colour in palette.items() if times[colour] == 1})
        for colour, index in own[-1].items():
            places.setdefault(colour, Counter())[index] += 1
    usual = {colour: found.most_common(1)[0][0] for colour, found in places.items()}
    return [any(usual[colour] != i for colour, i in found.items()) for found in own]


def _colours(labels: StoredLabels, path: Path) -> Array:
    """Return the colours that a viewer shows."""
    if labels.colours is None:
        raise DataError(
            f"E121 {path}: it is {labels.header.storage.kind}, but data.label_map or data.palette names "
            f"colours. Export it as 8-bit RGB. {_NAME_IDS}"
        )
    present = _present(labels)
    if missing := [value for value in present if value not in labels.colours]:
        raise DataError(
            f"E121 {path}: its palette has no colour for index {missing[0]}. Export it again."
        )
    if clear := sorted(labels.clear & set(present)):
        raise DataError(
            f"E121 {path}: the label map has transparent pixels (value {clear[0]}). Export it "
            "without alpha."
        )
    table = np.zeros((256, 3), dtype=np.uint8)
    table[present] = [labels.colours[value] for value in present]
    return np.asarray(table[labels.values])


def _ids_or_levels(rules: LabelRules, labels: StoredLabels, path: Path) -> Array:
    """Return gray values where the rules name ids and colours: scaled to 8 bits unless all are named ids."""
    shown = labels.colours
    if shown is None or all(colour[0] == value for value, colour in shown.items()):
        return labels.values
    present = _present(labels)
    named = [value for value in present if value in rules.named_ids]
    for value in named:
        if rules.colours.get(shown[value], rules.ids[value]) != rules.ids[value]:
            raise DataError(_two_meanings(path, value, shown[value]))
    if len(named) == len(present):
        return labels.values
    levels = np.array([shown[value][0] for value in range(len(shown))], dtype=np.uint8)
    return np.asarray(levels[labels.values])


def _refuse_contradiction(rules: LabelRules, labels: StoredLabels, path: Path) -> None:
    """Refuse indexes whose class as ids differs from the class of their colours."""
    shown = labels.colours or {}
    ids = {value: rules.ids.get(value) for value in _present(labels)}
    colours = {value: rules.colours.get(shown.get(value, (-1, -1, -1))) for value in ids}
    if None in ids.values() or None in colours.values():
        return
    for value, class_id in ids.items():
        if colours[value] != class_id:
            raise DataError(_two_meanings(path, value, shown[value]))


def _two_meanings(path: Path, value: int, colour: Colour) -> str:
    text = ",".join(map(str, colour))
    return (
        f"E121 {path}: value {value} is one class by its id and another by its colour ({text}); a tool "
        'may have sorted the palette. Name the colours in data.label_map ({"'
        f'{text}": NAME, ...}}), or the ids ({{{value}: NAME, ...}}), not both.'
    )


def _present(labels: StoredLabels) -> list[int]:
    return [int(value) for value in np.unique(labels.values)]
