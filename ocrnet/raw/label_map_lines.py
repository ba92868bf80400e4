"""The text of each finding about the values in label maps: one function per code, from failing rows to lines.

Each function gets the failing rows, the whole table and the params.
"""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ocrnet.config import Params
from ocrnet.data.stored_labels import Colour
from ocrnet.raw.instance_lines import Describe
from ocrnet.raw.label_maps import format_value, label_rules, parse_raw_value
from ocrnet.raw.named_files import name_files


def _unknown_ids(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    data, merged = params.data, label_rules(params.data).merged
    allowed = (
        f"but data.classes has {len(data.classes)} entries (0-{len(data.classes) - 1}) and "
        f"ignore_index is {data.ignore_index}. Add it to data.label_map or data.classes."
    )
    lines = []
    for row in failing.to_dict("records"):
        value = row["unknown_value"]
        if int(value) in merged:
            allowed = (
                f"which data.label_map does not name, while it maps another id to class {value} "
                f"{merged[int(value)]!r}. Add {value} to data.label_map."
            )
        others = (
            f" and {row['unknown_ids'] - 1:.0f} more such ids" if row["unknown_ids"] > 1 else ""
        )
        where = f"{row['unknown_px']:.0f} px, first at {_place(row)}"
        lines.append(f"{row['label_map']} has value {value} ({where}){others} {allowed}")
    return lines


def _nothing_to_learn(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    data = params.data
    values = {key for text in table["values"].dropna() for key in json.loads(text)}
    count = int(table["values"].notna().sum())
    if values == {"0", str(data.ignore_index)}:
        name, index = data.classes[1], data.ignore_index
        return [
            f"All {count} masks contain only {{0, {index}}}. {index} is ignore_index, so class 1 "
            f"{name!r} would never be learned. Use data.label_map: {{{index}: {name}}}."
        ]
    found = ", ".join(sorted(values, key=lambda text: (len(text), text)))
    return [
        f"All {count} masks contain only {{{found}}}: no pixel of any class but "
        f"{data.classes[0]!r}, so nothing would be learned. Check the masks and data.label_map."
    ]


def _unknown_colours(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    rules = label_rules(params.data)
    names = (*params.data.classes,)
    lines = []
    for row in failing.to_dict("records"):
        colour = parse_raw_value(row["unknown_value"])
        assert isinstance(colour, tuple)
        near = min(rules.colours, key=lambda known: _distance(known, colour))
        class_id = rules.colours[near]
        name = "ignore" if class_id == rules.ignore_index else names[class_id]
        lines.append(
            f"{row['label_map']} is {_coding(row)} with {row['num_values']:.0f} colours; {_rgb(colour)} is in "
            f"no palette entry (nearest is {name!r} {_rgb(near)}; {row['unknown_px']:.0f} px, "
            f"first at {_place(row)}). {_cure(row, colour)}"
        )
    return lines


def _coding(row: Mapping[Any, Any]) -> str:
    kind = str(row["label_kind"]).split()[0]
    return (
        "RGB"
        if kind == "RGB"
        else f"a {kind} file, read as colours because the params name colours,"
    )


def _cure(row: Mapping[Any, Any], colour: Colour) -> str:
    level = colour[0]
    if len(set(colour)) == 1 and str(row["label_kind"]).startswith("gray"):
        return (
            f"If {level} is an id, name the ids in data.label_map: {{{level}: NAME, ...}}; else add the "
            "colour to data.label_map."
        )
    if len(set(colour)) == 1 and row["label_format"] == "WEBP":
        return f'WebP stores colours only: export ids as PNG, or add "{format_value(colour)}" to data.label_map.'
    return (
        "Re-export it if it is anti-aliased or was a JPEG; else add the colour to data.label_map."
    )


def _jpeg(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    found = len({key for text in failing["values"] for key in json.loads(text)})
    formats = " or ".join(sorted(failing["label_format"].unique()))
    return [
        f"{len(failing)} masks are {formats}; compression changes class ids (found {found} values). "
        f"Re-export as PNG: {name_files(failing['label_map'])}."
    ]


def _palettes(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    return [
        f"{len(failing)} masks are palette files whose colours have other indexes than in most masks (some tools sort "
        f"palettes): {name_files(failing['label_map'])}. Name the colours in data.label_map "
        f'({{"0,0,0": {params.data.classes[0]}, ...}}); or, if the indexes are ids, name the ids '
        f"({{0: {params.data.classes[0]}, ...}})."
    ]


def _place(row: Mapping[Any, Any]) -> str:
    return f"x={row['unknown_x']:.0f} y={row['unknown_y']:.0f}"


def _rgb(colour: Colour) -> str:
    return f"({colour[0]},{colour[1]},{colour[2]})"


def _distance(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


DESCRIBE_LABEL_MAPS: dict[str, Describe] = {
    "E101": _unknown_ids, "E102": _nothing_to_learn, "E104": _unknown_colours, "E105": _jpeg,
    "E106": _palettes,
}  # fmt: skip
