"""What to predict: files, folders, patterns, cameras and lists become sources, each with a name of its own."""

import glob
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ocrnet.data.headers import EXTENSIONS
from ocrnet.errors import DataError
from ocrnet.predict_files.outputs import LABEL_MAPS, OVERLAYS, PROBABILITIES

VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
STANDARD_INPUT = "-"
CAMERA = re.compile(r"[0-9]{1,2}")


@dataclass(frozen=True)
class Source:
    """A file to predict.

    Args:
        path: Path of the file, as given or found.
        name: Name of its outputs: a relative path without an ending.
        camera: Number of a camera, which has no file; None: the source is a file.
    """

    path: Path
    name: str
    camera: int | None = None

    @property
    def is_video(self) -> bool:
        """Whether the source has many frames: a camera, or a video by its ending."""
        return self.camera is not None or self.path.suffix.lower() in VIDEOS

    @property
    def key(self) -> str:
        """The absolute path of the file, or the name of the camera."""
        return self.name if self.camera is not None else os.path.abspath(self.path)


def find_sources(
    given: Sequence[str],
    *,
    out: Path,
    listed: Iterable[str] = (),
    known: Mapping[str, str] | None = None,
) -> list[Source]:
    """Return the files and cameras to predict, each once, sorted within each folder and pattern.

    A name is the path below the deepest folder that holds all files, without its ending. A file
    whose name is taken keeps the ending, and so does a video; if that is taken, too, it has its whole path.

    Args:
        given: Files, folders, patterns such as `photos/**/*.png`, numbers of cameras such as 0, and `-` for the paths
            in `listed`. A file whose name is a number goes before the camera.
        out: Folder of the outputs, whose label maps, overlays and probabilities are no sources.
        listed: Lines with further files, folders and patterns.
        known: Names of earlier runs by absolute path, which stay.

    Raises:
        DataError: A folder or a pattern has no images, or a folder cannot be read; a name is taken in every form.
    """
    made = [os.path.abspath(out / kind) for kind in (LABEL_MAPS, OVERLAYS, PROBABILITIES)]
    found: dict[
        str, tuple[Path, str]
    ] = {}  # by absolute path: the path, and the folder to be named from
    cameras: dict[int, Source] = {}
    for one in _all(given, listed):
        if CAMERA.fullmatch(one) and not os.path.lexists(one):
            name = f"camera-{int(one)}"  # 1 and 01 are one camera
            cameras[int(one)] = Source(Path(name), name, int(one))
            continue
        for path, root in _files(one, made):
            found.setdefault(os.path.abspath(path), (path, root))
    if cameras and not found:
        return [*cameras.values()]
    if not found:
        raise DataError("SOURCE: standard input names no file. Give one path on each line.")
    root = os.path.commonpath([folder for _, folder in found.values()])
    names = dict(known or {})
    taken = {*names.values(), *(one.name for one in cameras.values())}
    for key in found:
        if key not in names:
            names[key] = _free_name(key, root, taken)
            taken.add(names[key])
    return [*(Source(path, names[key]) for key, (path, _) in found.items()), *cameras.values()]


def _all(given: Sequence[str], listed: Iterable[str]) -> Iterator[str]:
    for one in given:
        if one == STANDARD_INPUT:
            yield from (line.rstrip("\r\n") for line in listed if line.strip())
        else:
            yield one


def _files(one: str, made: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Yield the files that a SOURCE stands for, each with the folder that its name begins in.

    Args:
        one: File, folder or pattern.
        made: Folders of outputs, whose files are left out.
    """
    path = Path(one)
    if os.path.isdir(one):  # unlike Path.is_dir, it takes every text
        files = [file for file in _below(path) if not _is_inside(file, made)]
        if not files:
            raise DataError(
                f"{one}: the folder has no images. Known endings: {', '.join(_endings())}."
            )
        yield from ((file, os.path.abspath(path)) for file in files)
    elif os.path.exists(one) or not glob.has_magic(one):
        yield (
            path,
            os.path.dirname(os.path.abspath(path)),
        )  # a missing file is reported with the others
    else:
        matches = sorted(glob.glob(one, recursive=True))
        files = [
            file
            for match in matches
            for file in _matched(Path(match))
            if not _is_inside(file, made)
        ]
        if not files:
            raise DataError(
                f"{one}: no image matches the pattern. Known endings: {', '.join(_endings())}."
            )
        yield from ((file, os.path.dirname(os.path.abspath(file))) for file in files)


def _matched(path: Path) -> list[Path]:
    return [] if path.is_dir() or not _is_picture(path) else [path]


def _below(folder: Path) -> list[Path]:
    """Return the images and videos in a folder and its folders, without hidden ones."""
    found = []
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in sorted(files) if not name.startswith(".")]
    return [path for path in found if _is_picture(path)]


def _refuse(error: OSError) -> NoReturn:
    raise DataError(
        f"{error.filename}: the folder cannot be read ({error.strerror}). Give yourself the right to."
    ) from error


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _endings()


def _endings() -> tuple[str, ...]:
    return (*EXTENSIONS, *VIDEOS)


def _is_inside(path: Path, folders: Sequence[str]) -> bool:
    full = Path(os.path.abspath(path))
    return any(full.is_relative_to(folder) for folder in folders)


def _free_name(key: str, root: str, taken: Collection[str]) -> str:
    path = Path(key)
    short, whole = path.relative_to(root), path.relative_to(path.anchor)
    forms = [short.with_suffix(""), short, whole.with_suffix(""), whole]
    if path.suffix.lower() in VIDEOS:  # the name is that of a folder
        forms = [short, whole]
    for name in forms:
        if name.as_posix() not in taken:
            return name.as_posix()
    raise DataError(f"{key}: every name for its outputs is taken. Choose another folder with -o.")
