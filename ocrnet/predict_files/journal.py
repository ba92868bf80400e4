"""The record in the folder of the outputs: by which model and options they were made, and what is done already."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ocrnet.config.untrusted_json import read_json
from ocrnet.data.files import write_whole
from ocrnet.errors import BundleError, DataError, ParamsError

SETTINGS_FILE = "predict.json"
DONE_FILE = "done.jsonl"
CURE = "Choose another folder, or begin again with --force."


@dataclass(frozen=True)
class Done:
    """A predicted image.

    Args:
        source: Absolute path of the file.
        frame: Number of the frame in a video, from 0; None for an image.
        image: Path as it was given, with `#` and the number of the frame.
        name: Name of the outputs, without their folder and ending.
        height, width: Size of the image, in pixels.
        stamp: Size of the file in bytes, and its time of change in ns: another stamp is another image.
        pixels: Number of pixels of each class.
    """

    source: str
    frame: int | None
    image: str
    name: str
    height: int
    width: int
    stamp: tuple[int, int]
    pixels: tuple[int, ...] = ()


class Journal:
    """The predicted images of a folder.

    An image is added after its files are complete; a line that a kill cut off is dropped.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / DONE_FILE
        self._done = {(item.source, item.frame): item for item in read_done(folder)}
        if self._path.exists():
            text = "".join(_line(item) for item in self._done.values())
            write_whole(self._path, text)

    def __iter__(self) -> Iterator[Done]:
        """Iterate over the images, by the names of their outputs."""
        return iter(sorted(self._done.values(), key=lambda item: item.name))

    def find(self, source: str, frame: int | None, stamp: tuple[int, int]) -> Done | None:
        """Return an image that was predicted from this state of its file; None if there is none."""
        found = self._done.get((source, frame))
        return found if found is not None and found.stamp == stamp else None

    def add(self, item: Done) -> None:
        """Add an image whose files are complete."""
        self._done[item.source, item.frame] = item
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(item))


def read_done(folder: Path) -> Iterator[Done]:
    """Yield the predicted images of a folder; an image that was predicted again comes again."""
    path = folder / DONE_FILE
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            values = json.loads(line)
            values["pixels"], values["stamp"] = tuple(values["pixels"]), tuple(values["stamp"])
            yield Done(**values)
        except (ValueError, TypeError, KeyError):
            continue


def names_in(folder: Path) -> dict[str, str]:
    """Return the names that the files of earlier runs have in a folder, by absolute path."""
    return {
        item.source: item.name if item.frame is None else item.name.rpartition("/")[0]
        for item in read_done(folder)
    }


def check_settings(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Return whether a folder has outputs of these settings; None of its files is changed.

    Args:
        folder: Folder of the outputs.
        settings: What label maps depend on: weights, classes, decoding, protocol.

    Raises:
        ParamsError: The outputs are of other settings.
        DataError: The record is damaged.
    """
    path = folder / SETTINGS_FILE
    if not path.exists():
        return False
    try:
        _, found = read_json(path, cure=CURE)
    except BundleError as error:
        raise DataError(str(error)) from error
    wanted = json.loads(json.dumps(settings))
    found = found if isinstance(found, dict) else {}
    other = [name for name in wanted if found.get(name) != wanted[name]]
    if other:
        name = other[0]
        raise ParamsError(
            f"{path}: the outputs were made with {name} {_short(found.get(name))}, now it is "
            f"{_short(wanted[name])}. {CURE}"
        )
    return True


def stamp_of(path: Path) -> tuple[int, int]:
    """Return the size of a file in bytes and its time of change in ns; zeros for one that cannot be read."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: the path has a null character
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _line(item: Done) -> str:
    return json.dumps(asdict(item)) + "\n"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
