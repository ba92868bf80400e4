"""The entries of a folder tree: what each is, and its name as all systems spell it.

Links to folders are not followed: DVC neither hashes nor stores their targets, so a change there would run no
stage and a worker would find no files. Links to files are read; DVC hashes their targets.
"""

import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

# Names in lower case that file managers, archive tools, network disks and notebooks create; so are names with a dot
# at the start.
TOOL_MADE = frozenset(
    {
        "__macosx", "__pycache__", "@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot",
        "$recycle.bin", "system volume information", "recycler", "lost+found", "thumbs.db", "ehthumbs.db",
        "desktop.ini", "icon\r",
    }
)  # fmt: skip


class Kind(Enum):
    """What a directory entry is."""

    FILE = "a file"
    LINKED_FOLDER = "a link to a folder"
    BROKEN_LINK = "a link whose target does not exist"
    SPECIAL = "a pipe, a socket or a device"
    UNREADABLE = "a folder that cannot be listed"


@dataclass(frozen=True)
class Entry:
    """Something under the raw folder that is not a plain folder.

    Args:
        path: Path as the system spells it, including the raw folder.
        parts: Names below the raw folder, normalised (NFC), so that they are equal on all systems.
        kind: Kind of entry.
        is_hidden: Whether a part of its path starts with a dot or is a name that tools create.
    """

    path: Path
    parts: tuple[str, ...]
    kind: Kind
    is_hidden: bool


def walk(root: Path) -> Iterator[Entry]:
    """Yield each entry under a folder that is not a plain folder."""
    # A stack, since a tree may be deeper than Python's recursion limit.
    folders: list[tuple[Path, tuple[str, ...], bool]] = [(root, (), False)]
    while folders:
        folder, above, is_hidden = folders.pop()
        try:
            found = list(os.scandir(folder))
        except FileNotFoundError:
            continue  # the source reports that the raw folder is missing
        except NotADirectoryError:
            continue
        except OSError:
            yield Entry(folder, above, Kind.UNREADABLE, is_hidden)
            continue
        for item in found:
            path, parts = folder / item.name, (*above, normalised(item.name))
            hides = is_hidden or item.name.startswith(".") or item.name.lower() in TOOL_MADE
            if item.is_dir(follow_symlinks=False):
                folders.append((path, parts, hides))
            else:
                yield Entry(path, parts, _kind_of(path), hides)


def _kind_of(path: Path) -> Kind:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return Kind.BROKEN_LINK
    if stat.S_ISDIR(mode):
        return Kind.LINKED_FOLDER
    return Kind.FILE if stat.S_ISREG(mode) else Kind.SPECIAL


def shown(name: str) -> str:
    """Return a name with an escape for each character that cannot be printed on a line."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode().replace("\\udc", "\\x")
        for char in name
    )  # fmt: skip


def is_utf8(name: str) -> bool:
    """Return whether a name from the system is UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def normalised(name: str) -> str:
    """Return a name in composed form (NFC): macOS decomposes names, other systems keep them."""
    return unicodedata.normalize("NFC", name)
