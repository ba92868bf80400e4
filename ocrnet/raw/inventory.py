"""Every file under the raw folder, and its use: read, or left out for a reason.

A source gets its files from here and reports the use of each. At the end every file must be reported, as read or as
left out for a reason, so that no image is lost unnoticed.

Links to folders are not followed: DVC neither hashes nor stores their targets, so a change there would run no
stage and a worker would find no files. Links to files are read; DVC hashes their targets.
"""

import os
import stat
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ocrnet.errors import DataError

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


class Inventory:
    """The entries of a raw folder and the use of each.

    Attributes:
        root: Raw folder.
        entries: All entries, sorted by path.
        findings: Problems with entries, one line each that starts with its code.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries: tuple[Entry, ...] = tuple(
            sorted(_walk(root), key=lambda e: os.fsencode(e.path))
        )
        self.findings: list[str] = []
        self._by_path = {entry.path: entry for entry in self.entries}
        self._used: dict[Path, str] = {}
        self._left: dict[Path, str] = {}
        for entry in self.entries:
            self._classify(entry)

    def open_entries(self, *, under: Path | None = None) -> list[Entry]:
        """Return the entries that are not reported yet, of one folder or of all."""
        return [
            entry
            for entry in self.entries
            if self.is_open(entry.path) and (under is None or under in entry.path.parents)
        ]

    def refuse_linked_folders(self, folder: Path) -> None:
        """Add a finding for each link to a folder that is at or below `folder`: its target is not read."""
        for entry in self.entries:
            is_there = folder == entry.path or folder in entry.path.parents
            if entry.kind is Kind.LINKED_FOLDER and not entry.is_hidden and is_there:
                name = self.name(entry.path)
                self.find(
                    "E114",
                    f"{name} is a link to a folder. DVC neither hashes nor stores its target, so it is not "
                    f"read. Put the files there, or a link to each file: in data.path, t=$(realpath {name}) && "
                    f"rm {name} && cp -rs $t {name}.",
                )

    def is_open(self, path: Path) -> bool:
        """Return whether an entry is not reported yet."""
        return path not in self._used and path not in self._left

    def can_use(self, path: Path) -> bool:
        """Return whether a path is a file of the raw folder that is not left out."""
        entry = self._by_path.get(path)
        return entry is not None and entry.kind is Kind.FILE and path not in self._left

    def use(self, path: Path, role: str) -> None:
        """Report that a file is read.

        Args:
            path: Path of a file in the raw folder.
            role: Role of the file, in the plural: images, label maps, lists.
        """
        assert self.can_use(path), path
        self._used[path] = role

    def leave(self, path: Path, reason: str) -> None:
        """Report why an entry is left out; the first reason is kept."""
        assert path in self._by_path, path
        assert path not in self._used, path
        self._left.setdefault(path, reason)

    def leave_rest(self, reason: str, *, keep: Collection[Path | None] = ()) -> None:
        """Leave out all entries that are not reported yet.

        Args:
            reason: Reason for leaving them out.
            keep: Paths of entries that stay unreported.
        """
        kept = set(keep)
        for entry in self.open_entries():
            if entry.path not in kept:
                self.leave(entry.path, reason)

    def find(self, code: str, message: str) -> None:
        """Add a finding, in one line."""
        self.findings.append(f"{code} {message}")

    def name(self, path: Path) -> str:
        """Return the path below the raw folder as messages show it."""
        return shown(path.relative_to(self.root).as_posix())

    @property
    def used(self) -> dict[Path, str]:
        """The files that are read, with their roles."""
        return dict(self._used)

    @property
    def left(self) -> dict[Path, str]:
        """The entries that are left out, with the reason."""
        return dict(self._left)

    def raise_findings(self) -> None:
        """Refuse the set if there are findings.

        Raises:
            DataError: There are findings; the message has a line for each.
        """
        if self.findings:
            raise DataError("\n".join(self.findings))

    def check_balance(self) -> None:
        """Check that every entry is reported exactly once.

        Raises:
            RuntimeError: An entry is reported twice or not at all, which is a bug of the source.
        """
        accounted = [*self._used, *self._left]
        if sorted(accounted) != sorted(self._by_path):
            lost = sorted(set(self._by_path) - set(accounted))
            raise RuntimeError(
                f"{self.root}: the source does not report {[self.name(path) for path in lost[:5]]}."
            )

    def lines(self) -> list[str]:
        """Return the counts of the files that are read, and the names and reasons of those that are left out."""
        roles: dict[str, int] = {}
        for role in self._used.values():
            roles[role] = roles.get(role, 0) + 1
        read = ", ".join(f"{count} {role}" for role, count in sorted(roles.items()))
        count = len(self._used) + len(self._left)
        lines = [
            f"Files under data.path: {count}; read: {read or 'none'}; left out: {len(self._left)}."
        ]
        reasons: dict[str, list[Path]] = {}
        for path, reason in sorted(self._left.items(), key=lambda item: os.fsencode(item[0])):
            reasons.setdefault(reason, []).append(path)
        for reason, paths in sorted(reasons.items()):
            lines += [
                f"Left out, {reason}: {len(paths)}",
                *(f"  {self.name(path)}" for path in paths),
            ]
        return lines

    def _classify(self, entry: Entry) -> None:
        """Leave out an entry that no source can use; an entry that DVC cannot hash is a finding in any folder."""
        name = self.name(entry.path)
        if not is_utf8(entry.path.relative_to(self.root).as_posix()):
            self.leave(entry.path, "the name is not UTF-8")
            self.find(
                "E114",
                f"{name}: the name is not UTF-8, and DVC cannot store such a file. Rename it.",
            )
        elif entry.kind is Kind.SPECIAL:
            self.leave(entry.path, entry.kind.value)
            self.find(
                "E114",
                f"{name} is {entry.kind.value}; a program that reads it may wait for ever. Remove it.",
            )
        elif entry.kind is Kind.BROKEN_LINK:
            self.leave(entry.path, entry.kind.value)
            self.find(
                "E121", f"{name} is {entry.kind.value}. Put the file there or remove the link."
            )
        elif entry.kind is Kind.UNREADABLE:
            self.leave(entry.path, entry.kind.value)
            self.find(
                "E121", f"{name} is {entry.kind.value}. Allow it to be read, or move it elsewhere."
            )
        elif entry.is_hidden:
            self.leave(entry.path, "hidden or made by a tool")
        elif entry.kind is Kind.LINKED_FOLDER:
            self.leave(entry.path, f"{entry.kind.value}; its target is not read")


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


def _walk(root: Path) -> Iterator[Entry]:
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
