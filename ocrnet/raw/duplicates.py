"""Duplicate images: files that show the same picture.

Files with equal bytes are duplicates. So are files that were saved again or in another format: their sizes are equal,
their 64-bit dHashes differ in a few bits at most, and their thumbnails agree. The hash alone is not enough: all plates
under the same light, or all plain images, would be duplicates. A thumbnail without texture proves nothing and counts
as different.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from ocrnet.data.manifest import SPLITS

Array = npt.NDArray[Any]
MAX_BITS = 4  # bits of a hash that may change when an image is saved again
SIDE = 32  # height and width of a thumbnail in pixels
MIN_TEXTURE = 1.0  # standard deviation, grey levels, below which a thumbnail is plain
MAX_DIFFERENCE = (
    6.0  # grey levels; a JPEG copy of quality 60 moves a thumbnail pixel by 4, a new object by more
)
MIN_CORRELATION = 0.98


def gray_of(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the mean of the channels."""
    if image.ndim == 2:
        return image.astype(np.float32)
    red, green, blue = (image[..., channel].astype(np.uint16) for channel in range(3))
    return (red + green + blue).astype(np.float32) / np.float32(3)


def thumbnail(gray: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Average an image of grey levels into SIDE x SIDE cells."""
    return _shrink(gray, (SIDE, SIDE))


def difference_hash(gray: npt.NDArray[np.float32]) -> str:
    """Return the 64-bit dHash as 16 hex digits; a bit says whether a cell is darker than its right neighbour."""
    cells = _shrink(gray, (8, 9))
    return np.packbits(cells[:, :-1] < cells[:, 1:]).tobytes().hex()


def find_copies(table: pd.DataFrame, thumbnails: Mapping[str, Array]) -> list[str]:
    """Return for each row the id of the first row that shows the same picture, or "" if no other row does.

    Args:
        table: Rows with id, image_sha256, dhash, height and width; unreadable images have no hash.
        thumbnails: Thumbnails by id.
    """
    first: dict[str, str] = {}
    readable = table[table["image_sha256"].notna()]
    if readable.empty:
        return [""] * len(table)
    for _, rows in readable.groupby("image_sha256", sort=False):
        ids = rows["id"].tolist()
        first.update(dict.fromkeys(ids, ids[0]))
    one_each = readable[[first[item] == item for item in readable["id"]]]
    for _, rows in one_each.groupby(["height", "width"], sort=False):
        first.update(_similar(rows, thumbnails))
    root = {item: first[target] for item, target in first.items()}
    counts = pd.Series(root.values()).value_counts()
    return [root[i] if i in root and counts[root[i]] > 1 else "" for i in table["id"]]


def find_twins(
    rows: pd.DataFrame, others: pd.DataFrame, thumbnails: Mapping[str, Array]
) -> list[tuple[str, str]]:
    """Return the pairs of ids, of `rows` and of `others`, that show the same picture, also at another size.

    Args:
        rows: Rows with id, image_sha256 and dhash; unreadable images have no hash.
        others: Rows to compare them with, of the same columns.
        thumbnails: Thumbnails by id, of both tables.
    """
    rows, others = (table[table["image_sha256"].notna()] for table in (rows, others))
    other_hashes, other_ids = _hashes(others), others["id"].tolist()
    same_bytes = others.groupby("image_sha256")["id"].first().to_dict()
    pairs = []
    for row, bits in zip(rows.to_dict("records"), _hashes(rows), strict=True):
        found = same_bytes.get(row["image_sha256"])
        near = np.flatnonzero(np.bitwise_count(other_hashes ^ bits) <= MAX_BITS).tolist()
        alike = (
            other_ids[j]
            for j in near
            if same_thumbnail(thumbnails[row["id"]], thumbnails[other_ids[j]])
        )
        found = found or next(alike, None)
        if found is not None:
            pairs.append((row["id"], found))
    return pairs


def copies_across(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose picture is in another split too.

    Args:
        table: Rows with id, split and copy_of.
    """
    copies = table[(table["copy_of"] != "") & table["split"].notna()]
    splits = copies.groupby("copy_of")["split"].transform("nunique")
    return copies[splits > 1]


def leak_lines(table: pd.DataFrame) -> list[str]:
    """Return a line (E113) per pair of splits that share pictures.

    Args:
        table: Rows with id, split, image and copy_of.
    """
    lines = []
    copies = copies_across(table)
    for one, other in combinations(SPLITS, 2):
        here, there = (copies[copies["split"] == name] for name in (one, other))
        both = here[here["copy_of"].isin(there["copy_of"])]
        if both.empty:
            continue
        twin = there[there["copy_of"] == both["copy_of"].iloc[0]].iloc[0]
        lines.append(
            f"E113 {len(both)} images are in both {one} and {other} "
            f"(e.g. {both['image'].iloc[0]} = {twin['image']}). "
            f"Remove one of each from {one} or {other}, or set data.allow_duplicates: true to keep both."
        )
    return lines


def contradiction_lines(table: pd.DataFrame) -> list[str]:
    """Return a line for each picture that occurs twice with different labels.

    Args:
        table: Rows with image, label_map, copy_of and label_pixels_sha256.
    """
    lines = []
    for _, rows in table[table["copy_of"] != ""].groupby("copy_of", sort=True):
        known = rows[rows["label_pixels_sha256"].notna()]
        unlike = known.drop_duplicates("label_pixels_sha256")
        if len(unlike) > 1:
            one, other = unlike.iloc[0], unlike.iloc[1]
            lines.append(
                f"Warning: {one['image']} and {other['image']} are the same picture, but their label maps differ "
                f"({one['label_map']}, {other['label_map']}). Remove the wrong one."
            )
    return lines


def _similar(rows: pd.DataFrame, thumbnails: Mapping[str, Array]) -> dict[str, str]:
    ids = rows["id"].tolist()
    hashes = _hashes(rows)
    first: dict[str, str] = {}
    for i, item in enumerate(ids):
        if item in first:
            continue
        near = np.flatnonzero(np.bitwise_count(hashes[i + 1 :] ^ hashes[i]) <= MAX_BITS) + i + 1
        for j in near.tolist():
            if ids[j] not in first and same_thumbnail(thumbnails[item], thumbnails[ids[j]]):
                first[ids[j]] = item
    return first


def _hashes(rows: pd.DataFrame) -> npt.NDArray[np.uint64]:
    return np.array([int(text, 16) for text in rows["dhash"]], dtype=np.uint64)


def same_thumbnail(one: Array, other: Array) -> bool:
    """Return whether two thumbnails show the same picture; a thumbnail without texture never does."""
    if min(one.std(), other.std()) < MIN_TEXTURE or np.abs(one - other).max() > MAX_DIFFERENCE:
        return False
    return bool(np.corrcoef(one.reshape(-1), other.reshape(-1))[0, 1] >= MIN_CORRELATION)


def _shrink(gray: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    small = Image.fromarray(gray).resize((size[1], size[0]), Image.Resampling.BOX)
    return np.array(small, dtype=np.float32)
