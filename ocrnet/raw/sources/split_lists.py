"""Text files that publish a split, with one name per line.

`splits/{train,val,test}.txt` has priority. Lists with other usual names and places are used if there is one set of
them; if their meaning is unclear, they are refused.
"""

import codecs
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ocrnet.data.manifest import SPLITS
from ocrnet.errors import DataError
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources.split_names import looks_like_split, looks_like_table, split_named
from ocrnet.raw.tree import Entry, Kind, normalised

SUFFIXES = (".txt", ".lst", ".list", ".csv", ".tsv", ".json", "")
CURE = "Write splits/train.txt, splits/val.txt and splits/test.txt with one stem per line; they have priority"
_FOLDERS = ("splits", "split", "imagesets")
# Longer marks come first: the mark of UTF-32 begins with the mark of UTF-16.
_MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]


def find_lists(inventory: Inventory, images: set[tuple[str, ...]]) -> dict[str, Path] | None:
    """Return the list of each split, or None if no file describes a split.

    Args:
        inventory: Inventory of the raw folder; lists that are not read are reported as left out.
        images: Paths of the images below the raw folder, without extension; a text file with such a path
            describes the image, so it is no list.

    Raises:
        DataError: (E126) There are lists, but the split of a list is unclear, or a list is missing.
    """
    found = [
        entry for entry in inventory.open_entries() if _speaks_of_split(inventory, entry, images)
    ]
    if not found:
        return None
    folders: dict[tuple[str, ...], list[Entry]] = {}
    for entry in found:
        folders.setdefault(entry.parts[:-1], []).append(entry)
    chosen = folders.get(("splits",), [])
    lists = _complete(chosen) or {}
    if len(lists) < len(SPLITS) or any(path.name != f"{s}.txt" for s, path in lists.items()):
        if len(folders) > 1:
            raise DataError(
                f"E126 {_names(inventory, found)} look like lists of splits in {len(folders)} folders. {CURE}."
            )
        (chosen,) = folders.values()
        lists = _refuse_unclear(inventory, chosen)
    for entry in found:
        if entry.path not in lists.values():
            inventory.leave(entry.path, "the split is read from other lists")
    return lists


def read_lines(path: Path, *, name: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of a list that is not empty, normalised (NFC) and stripped.

    Args:
        path: Text file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark.
        name: Name of the list in messages.

    Raises:
        DataError: (E114) The list is in another encoding, or (E121) it cannot be read.
    """
    for number, line in enumerate(re.split(r"\r\n|\n|\r", _text(path, name)), start=1):
        if line.strip():
            yield number, normalised(line.strip())


def _text(path: Path, name: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"E121 {name} cannot be read ({error.strerror}). Make the file readable."
        ) from error
    encoding = next((found for mark, found in _MARKS if content.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in content:
        raise DataError(
            f"E114 {name}: found zero bytes; it looks like UTF-16 without a byte order mark. Save the list as UTF-8."
        )
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        kind = "Latin-1 or Windows-1252" if encoding == "utf-8" else f"broken {encoding.upper()}"
        raise DataError(
            f"E114 {name} line {line}: found byte 0x{content[error.start]:02X}, which is not {encoding.upper()}; it "
            f"looks like {kind}. Save the list as UTF-8."
        ) from None


def _speaks_of_split(inventory: Inventory, entry: Entry, images: set[tuple[str, ...]]) -> bool:
    stem, suffix = os.path.splitext(entry.parts[-1])
    if entry.kind is not Kind.FILE or suffix.lower() not in SUFFIXES:
        return False
    if (*entry.parts[:-1], stem) in images:
        return False
    in_folder = any(part.casefold() in _FOLDERS for part in entry.parts[:-1])
    return in_folder or looks_like_split(stem) or looks_like_table(stem)


def _complete(entries: Sequence[Entry]) -> dict[str, Path] | None:
    """Return the list of each split if each has exactly one, else None."""
    lists: dict[str, Path] = {}
    for entry in entries:
        stem, suffix = os.path.splitext(entry.parts[-1])
        split = split_named(stem)
        if split is None or suffix.lower() != ".txt":
            continue
        if split in lists:
            return None
        lists[split] = entry.path
    return lists if set(lists) == set(SPLITS) else None


def _refuse_unclear(inventory: Inventory, entries: Sequence[Entry]) -> dict[str, Path]:
    lists = _complete(entries)
    if lists is not None:
        return lists
    exact = [entry for entry in entries if entry.path.suffix.lower() == ".txt"]
    known = {split_named(os.path.splitext(entry.parts[-1])[0]) for entry in exact}
    missing = [split for split in SPLITS if split not in known]
    names = _names(inventory, entries)
    if missing and len(missing) < len(SPLITS):
        folder = entries[0].path.parent
        wanted = ", ".join(inventory.name(folder / f"{split}.txt") for split in missing)
        raise DataError(f"E126 {wanted}: the list is missing, but {names} is there. {CURE}.")
    raise DataError(f"E126 {names}: it is unclear which of train, val and test this is. {CURE}.")


def _names(inventory: Inventory, entries: Sequence[Entry]) -> str:
    names = [inventory.name(entry.path) for entry in entries]
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more
