"""The directory of a TIFF or BigTIFF file: what a reader of parts needs, checked against the size of the file."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAX_TAGS = 1000
MAX_VALUE = 64 << 20  # bytes of one tag: the places of eight million blocks
REDUCED = 1  # bit of tag 254: a smaller copy of the image
# Number of bytes of a value, by the type of the tag.
BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_LETTERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}


@dataclass(frozen=True)
class Tag:
    """A tag as the file stores it.

    Args:
        kind: Type of its values, as a number of the TIFF specification.
        count: Number of its values.
        content: Bytes of its values, in the byte order of the file.
    """

    kind: int
    count: int
    content: bytes


@dataclass(frozen=True)
class Directory:
    """The tags of the first image of a file.

    Args:
        order: Byte order of the file: "<" or ">".
        tags: Tags by their numbers.
        images: Number of images in the file, without smaller copies.
    """

    order: str
    tags: dict[int, Tag]
    images: int

    def numbers(self, tag: int) -> list[int]:
        """Return the values of a tag; none if it is missing.

        Raises:
            ValueError: The values are not whole numbers.
        """
        found = self.tags.get(tag)
        if found is None:
            return []
        if found.kind not in _LETTERS:
            raise ValueError(f"tag {tag} has the type {found.kind}")
        return list(
            struct.unpack(f"{self.order}{found.count}{_LETTERS[found.kind]}", found.content)
        )

    def number(self, tag: int, default: int) -> int:
        """Return the first value of a tag.

        Raises:
            ValueError: The value is not a whole number.
        """
        return next(iter(self.numbers(tag)), default)


def read_directory(path: Path) -> Directory | None:
    """Read the directory of a file; None if it is no TIFF file.

    Raises:
        ValueError: The directory is damaged.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(start[:2])
        if order is None or len(start) < 16:
            return None
        version = struct.unpack(f"{order}H", start[2:4])[0]
        if version not in (42, 43):
            return None
        reader = _Reader(file, order, path.stat().st_size, big=version == 43)
        kind, place = ("Q", start[8:16]) if version == 43 else ("I", start[4:8])
        (first,) = struct.unpack(f"{order}{kind}", place)
        tags, after = reader.read(first)
        images, seen = 1, {first}
        while after and after not in seen and len(seen) < MAX_TAGS:
            seen.add(after)
            further, after = reader.read(after)
            images += not Directory(order, further, 0).number(254, 0) & REDUCED
    return Directory(order, tags, images)


class _Reader:
    """Reads the directories of an opened file."""

    def __init__(self, file: BinaryIO, order: str, size: int, *, big: bool) -> None:
        self._file, self._order, self._size, self._big = file, order, size, big

    def read(self, place: int) -> tuple[dict[int, Tag], int]:
        """Return the tags of the directory at a place, and the place of the next directory."""
        count_kind, entry_bytes, place_kind = ("Q", 20, "Q") if self._big else ("H", 12, "I")
        (count,) = self._unpack(count_kind, self._bytes(place, struct.calcsize(count_kind)))
        if count > MAX_TAGS:
            raise ValueError(f"{count} tags in a directory")
        place += struct.calcsize(f"={count_kind}")
        entries = self._bytes(place, count * entry_bytes)
        tags = {}
        for index in range(count):
            entry = entries[index * entry_bytes : (index + 1) * entry_bytes]
            number, kind = self._unpack("HH", entry[:4])
            tags[number] = self._tag(kind, entry[4:], place_kind)
        after = self._bytes(place + len(entries), struct.calcsize(f"={place_kind}"))
        return tags, self._unpack(place_kind, after)[0]

    def _tag(self, kind: int, entry: bytes, place_kind: str) -> Tag:
        wide = struct.calcsize(f"={place_kind}")
        (count,) = self._unpack(place_kind, entry[:wide])
        length = count * BYTES.get(kind, 1)
        if length > MAX_VALUE:
            raise ValueError(f"a tag of {length} bytes")
        if length <= wide:
            return Tag(kind, count, entry[wide : wide + length])
        return Tag(kind, count, self._bytes(self._unpack(place_kind, entry[wide:])[0], length))

    def _bytes(self, place: int, length: int) -> bytes:
        if place + length > self._size:
            raise ValueError("a directory points beyond the end of the file")
        self._file.seek(place)
        return self._file.read(length)

    def _unpack(self, kind: str, content: bytes) -> tuple[int, ...]:
        return struct.unpack(f"{self._order}{kind}", content)
