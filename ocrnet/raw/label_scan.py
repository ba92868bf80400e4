"""The scan of one label map: its values, and the pixels of each class."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ocrnet.config import DataParams
from ocrnet.data.manifest import pixel_columns
from ocrnet.data.stored_labels import Colour, decode_label_map, name_format
from ocrnet.raw.label_maps import LabelRules, count_values, first_position, format_value
from ocrnet.raw.raw_values import palette_of_ids, values_by

MAX_VALUES = 256  # raw values listed per file
Row = dict[str, Any]


def scan_label_map(
    path: Path, data: DataParams, rules: LabelRules
) -> tuple[Row, dict[int, Colour]]:
    """Return the columns of the table that a label map fills, and the ids of its palette.

    Raises:
        DataError: The file cannot be used.
    """
    labels = decode_label_map(path, exif=data.exif, max_pixels=data.max_pixels)
    header, raw = labels.header, values_by(rules, labels, path)
    counts = count_values(raw)
    frequent = sorted(counts, key=lambda value: -counts[value])[:MAX_VALUES]
    row: Row = {
        "label_format": name_format(header),
        "label_kind": header.storage.kind,
        "label_orientation": header.orientation,
        "label_height": raw.shape[0],
        "label_width": raw.shape[1],
        "label_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "label_pixels_sha256": hashlib.sha256(
            f"{raw.shape}".encode() + raw.astype(np.int64).tobytes()
        ).hexdigest(),
        "values": json.dumps({format_value(value): counts[value] for value in sorted(frequent)}),
        "num_values": len(counts),
    }
    row.update(_class_pixels(counts, data, rules))
    unknown = {value: n for value, n in counts.items() if rules.class_of(value) is None}
    if header.storage.lossy:  # compression makes values that mean nothing
        return row, {}
    row["unknown_colours" if raw.ndim == 3 else "unknown_ids"] = len(unknown)
    if unknown:
        value = max(unknown, key=lambda value: unknown[value])
        x, y = first_position(raw, value)
        row.update(unknown_value=format_value(value), unknown_px=unknown[value])
        row.update(unknown_x=x, unknown_y=y)
    return row, palette_of_ids(rules, labels)


def _class_pixels(
    counts: Mapping[int | Colour, int], data: DataParams, rules: LabelRules
) -> dict[str, float]:
    names = dict(enumerate(pixel_columns(data.classes))) | {data.ignore_index: "px_ignore"}
    row = dict.fromkeys(names.values(), 0.0)
    for value, count in counts.items():
        class_id = rules.class_of(value)
        if class_id is not None:
            row[names[class_id]] += count
    total = sum(counts.values())
    first = pixel_columns(data.classes)[0]
    row["other_pixels"] = total - row["px_ignore"] - row[first]
    row["ignored_share"] = row["px_ignore"] / total
    return row
