"""Every file under the raw folder, and its use: read, or left out for a reason.

A source gets its files from here and reports the use of each. At the end every file must be reported, as read or as
left out for a reason, so that no image is lost unnoticed.
"""

import os
from collections.abc import Collection
from pathlib import Path

from ocrnet.errors import DataError
from ocrnet.raw.tree import Entry, Kind, is_utf8, shown, walk


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
            sorted(walk(root), key=lambda e: os.fsencode(e.path))
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
