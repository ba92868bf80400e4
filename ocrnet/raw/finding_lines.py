"""The text of each finding: one function per code, from failing rows to lines.

Each function gets the failing rows, the whole table and the params.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from ocrnet.config import Params
from ocrnet.data.manifest import SPLITS
from ocrnet.data.stored_labels import Colour
from ocrnet.raw.duplicates import leak_lines
from ocrnet.raw.instance_lines import DESCRIBE_INSTANCES, Describe
from ocrnet.raw.label_maps import format_value, label_rules, parse_raw_value

NAMED_FILES = 5  # in a line about many files


def name_files(paths: Iterable[str]) -> str:
    """Join the first few paths, and add the number of the others."""
    names = list(paths)
    more = f" and {len(names) - NAMED_FILES} more" if len(names) > NAMED_FILES else ""
    return ", ".join(names[:NAMED_FILES]) + more


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


def _sizes(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    lines = []
    for row in failing.to_dict("records"):
        image = (int(row["width"]), int(row["height"]))
        label_map = (int(row["label_width"]), int(row["label_height"]))
        hint = ""
        if image == label_map[::-1]:
            flag = int(row["orientation"])
            hint = (
                f" (transposed: EXIF orientation {flag} on the image?)"
                if flag != 1
                else (" (transposed)")
            )
        lines.append(
            f"{row['id']}: image {_size(image)}, mask {_size(label_map)}{hint}. "
            "Neither is resized; export both at one size."
        )
    return lines


def _rotated(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    lines = []
    if len(masks := failing[failing["label_orientation"].fillna(1) != 1]):
        flags = ", ".join(str(int(flag)) for flag in sorted(masks["label_orientation"].unique()))
        lines.append(
            f"{len(masks)} masks have a rotation flag (EXIF orientation {flags}): "
            f"{name_files(masks['label_map'])}. Set data.exif to apply or ignore, for images and masks alike."
        )
    failing = failing[failing["orientation"].fillna(1) != 1]
    if failing.empty:
        return lines
    turned = failing[failing["orientation"] >= 5]
    fits = (turned["width"] == turned["label_height"]) & (turned["height"] == turned["label_width"])
    fits &= turned["width"] != turned["height"]
    hint = (
        f" {int(fits.sum())} masks have the rotated size, so apply is probably right."
        if fits.any()
        else ""
    )
    flags = ", ".join(str(int(flag)) for flag in sorted(failing["orientation"].unique()))
    lines.append(
        f"{len(failing)} images have a rotation flag (EXIF orientation {flags}): "
        f"{name_files(failing['image'])}. Set data.exif to apply or ignore.{hint}"
    )
    return lines


def _deep(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    low, high = failing["image_min"].min(), failing["image_max"].max()
    first, count = failing.iloc[0], len(failing)
    who = f"{first['image']} is" if count == 1 else f"{count} images (first {first['image']}) are"
    return [
        f"{who} {first['dtype']}, range {low:g}-{high:g}; "
        f"set data.value_range: [{low:g}, {high:g}]."
    ]


def _bands(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    counts = ", ".join(str(int(count)) for count in sorted(failing["bands"].unique()))
    return [
        f"{len(failing)} images have {counts} bands, of which red, green and blue, or gray, are used: "
        f"{name_files(failing['image'])}. Set data.extra_bands to drop, or export the bands to use as RGB."
    ]


def _transparent(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    share = failing["transparent_px"].sum() / failing["pixels"].sum()
    return [
        f"{len(failing)} images have transparent pixels ({share:.1%} of their pixels), whose hidden colours would be "
        f"trained on: {name_files(failing['image'])}. Set data.alpha to black or white (their background), or to "
        "ignore (to use their hidden colours)."
    ]


def _leaks(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    lines = [] if params.data.allow_duplicates else leak_lines(table)
    for group, rows in table[table["group_elsewhere"] > 0].groupby("group"):
        splits = " and ".join(sorted(rows["split"].unique()))
        lines.append(
            f"group {group!r} of data.group_by is in {splits} "
            "by the published split. Move its images into one split or change data.group_by."
        )
    return lines


def _unlabelled(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    cure = "Add the masks or remove the images"
    if params.data.without_label_map == "error":
        cure += ", or set data.without_label_map to unlabelled or drop"
    elif params.data.without_label_map == "unlabelled":
        cure += ": they are of val or test by the published split, so no training may see them"
    return [
        f"{len(failing)} of {len(table)} images have no mask: {name_files(failing['image'])}. {cure}."
    ]


def _unreadable(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    errors = [*failing["image_error"].dropna(), *failing["label_error"].dropna()]
    return [str(error) for error in errors]


def _kinds(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    counts = table["dtype"].value_counts()
    rare = table[table["dtype"].notna() & (table["dtype"] != counts.index[0])]
    found = ", ".join(f"{count} {name}" for name, count in counts.items())
    return [f"images differ in depth: {found} ({name_files(rare['image'])}). Export all alike."]


def _too_few(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    least = params.validate_.min_images
    return [f"found {len(table)} images, validate.min_images is {least}. Add images or lower it."]


def _too_large(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    return [
        f"{row['image']}: image {row['width']:.0f}x{row['height']:.0f} is above "
        f"data.max_pixels {params.data.max_pixels}. Cut it into tiles or raise the limit."
        for row in failing.to_dict("records")
    ]


def _ignored(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    return [
        f"{row['label_map']}: share {row['ignored_share']:.3f} of its pixels is ignored, allowed "
        f"is validate.max_ignored_share {params.validate_.max_ignored_share:g}. "
        "Label it or remove it."
        for row in failing.to_dict("records")
    ]


def _splits(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    missing = [name for name in SPLITS if name not in set(table["split"])]
    return [f"the published split has no images in {', '.join(missing)}. List some."]


def _place(row: Mapping[Any, Any]) -> str:
    return f"x={row['unknown_x']:.0f} y={row['unknown_y']:.0f}"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _rgb(colour: Colour) -> str:
    return f"({colour[0]},{colour[1]},{colour[2]})"


def _distance(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


DESCRIBE: dict[str, Describe] = DESCRIBE_INSTANCES | {
    "E101": _unknown_ids, "E102": _nothing_to_learn, "E104": _unknown_colours, "E105": _jpeg,
    "E106": _palettes, "E107": _sizes, "E108": _rotated, "E109": _deep, "E110": _bands,
    "E111": _transparent, "E113": _leaks, "E114": _unlabelled,
    "E121": _unreadable, "E122": _kinds, "E123": _too_few, "E124": _too_large, "E125": _ignored,
    "E126": _splits,
}  # fmt: skip
