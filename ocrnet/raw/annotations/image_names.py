"""The image that a name in an annotation file means.

Tools write names in their own ways: with folders of the machine that exported them, with backslashes, escaped as in an
address, or behind an upload's random prefix.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from ocrnet.data.headers import EXTENSIONS
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.tree import Entry, normalised

_UPLOAD = re.compile(
    r"^[0-9a-f]{8}-(?=.)"
)  # Label Studio puts it before the name of an uploaded file


class ImageNames:
    """The images under the raw folder, by the ends of their paths.

    Args:
        inventory: Inventory of the raw folder.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._by_name: dict[str, list[Entry]] = {}
        for entry in inventory.open_entries():
            if entry.path.suffix.lower() in EXTENSIONS:
                self._by_name.setdefault(entry.parts[-1], []).append(entry)

    def find(self, name: str, *, beside: tuple[str, ...]) -> list[Path]:
        """Return the images that a name can mean: none, one, or several that fit equally well.

        The image whose path ends with most parts of the name fits best. Among equals the one that shares most folders
        with the annotation file does.

        Args:
            name: Name of the image in the annotation file.
            beside: Folders of the annotation file below the raw folder.
        """
        for parts in _readings(name):
            found = self._by_name.get(parts[-1], [])
            if found:
                fits = [
                    (_common_end(entry.parts, parts), _common_start(entry.parts, beside))
                    for entry in found
                ]
                best = max(fits)
                return [entry.path for entry, fit in zip(found, fits, strict=True) if fit == best]
        return []


def _readings(name: str) -> Iterator[tuple[str, ...]]:
    """Yield the parts of the path that a name may be, the literal reading first."""
    texts = [name, unquote(name)]
    with suppress(ValueError):  # no address
        address = urlsplit(name.replace("\\", "/"))
        texts += [*parse_qs(address.query).get("d", []), unquote(address.path)]
    seen: set[tuple[str, ...]] = set()
    for text in texts:
        for spelled in (text, text.replace("\\", "/")):
            parts = tuple(part for part in normalised(spelled).split("/") if part not in ("", ".", ".."))  # fmt: skip
            for read in (parts, (*parts[:-1], _UPLOAD.sub("", parts[-1]))) if parts else ():
                if read not in seen:
                    seen.add(read)
                    yield read


def _common_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    return _common_start(one[::-1], other[::-1])


def _common_start(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
