"""The text of each finding: one function per code, from failing rows to lines.

Each function gets the failing rows, the whole table and the params.
"""

import pandas as pd

from ocrnet.config import Params
from ocrnet.data.manifest import SPLITS
from ocrnet.raw.duplicates import leak_lines
from ocrnet.raw.instance_lines import DESCRIBE_INSTANCES, Describe
from ocrnet.raw.label_map_lines import DESCRIBE_LABEL_MAPS
from ocrnet.raw.named_files import name_files


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


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


DESCRIBE: dict[str, Describe] = DESCRIBE_INSTANCES | DESCRIBE_LABEL_MAPS | {
    "E107": _sizes, "E108": _rotated, "E109": _deep, "E110": _bands,
    "E111": _transparent, "E113": _leaks, "E114": _unlabelled,
    "E121": _unreadable, "E122": _kinds, "E123": _too_few, "E124": _too_large, "E125": _ignored,
    "E126": _splits,
}  # fmt: skip
