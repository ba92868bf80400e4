"""Raw folders as people and their tools leave them, drawn by hypothesis and written to disk."""

import os
import socket
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

FOLDERS = (
    "images", "images", "masks", "masks", "img_dir", "labels", "Masks", "splits", "Splits", "",
    "ImageSets/Segmentation", "train", "trainannot", "images/train", "masks/train", "images/validation",
    "masks/validation", "images/test", "masks/test", "images/a", "images/a-b", "masks/a",
    "images/.ipynb_checkpoints", "images/@eaDir", "__MACOSX/images", "images/train2017", "extra",
)  # fmt: skip
STEMS = (
    "a", "b", "c", "b-c", "a.b", "a.png", "train", "test", "trainval", "None", "-x", " ", "n\nl", "r\rl", "'",
    '"', "100%", unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é"), "\udcff", "漢字", "._a",
    "x" * 240,
)  # fmt: skip
SUFFIXES = (".png", ".png", ".png", ".PNG", ".jpg", ".gif", ".txt", ".json", "", ".heic")
KINDS = (
    "image", "image", "image", "image", "junk", "empty", "list", "pipe", "socket", "broken link", "loop", "file link",
    "folder link", "folder",
)  # fmt: skip
ENCODINGS = ("utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le")


@dataclass(frozen=True)
class Odd:
    """One thing in a raw folder."""

    folder: str
    name: str
    kind: str
    encoding: str
    lines: tuple[str, ...]


def odd_things() -> st.SearchStrategy[list[Odd]]:
    """Return what draws the content of a raw folder."""
    names = st.builds(str.__add__, st.sampled_from(STEMS), st.sampled_from(SUFFIXES))
    lines = st.lists(names.filter(lambda name: "\udcff" not in name), max_size=4).map(tuple)
    one = st.builds(
        Odd, st.sampled_from(FOLDERS), names, st.sampled_from(KINDS), st.sampled_from(ENCODINGS), lines
    )  # fmt: skip
    return st.lists(one, min_size=1, max_size=24)


def write_tree(root: Path, things: list[Odd]) -> None:
    """Write a tree; what does not fit beside what is there already is left out.

    Args:
        root: a folder, which may hold a set already.
        things: what to write into it.
    """
    outside = root.parent / "outside"
    outside.mkdir(parents=True)
    (outside / "a.png").write_bytes(_picture(0))
    root.mkdir(exist_ok=True)
    for number, thing in enumerate(things):
        path = root / thing.folder / thing.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(path):
                continue
            _write(path, thing, number, outside)
        except OSError:  # a name too long, a file where a folder shall be
            continue


def _write(path: Path, thing: Odd, number: int, outside: Path) -> None:
    if thing.kind == "image":
        path.write_bytes(_picture(number if path.parts[-2] == "images" else None))
    elif thing.kind == "list":
        path.write_bytes("\r\n".join(thing.lines).encode(thing.encoding, errors="replace"))
    elif thing.kind in ("junk", "empty"):
        path.write_bytes(b"\x89PNG junk" if thing.kind == "junk" else b"")
    elif thing.kind == "pipe":
        os.mkfifo(path)
    elif thing.kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.fsencode(path))
    elif thing.kind == "folder":
        path.mkdir()
    else:
        targets = {
            "broken link": Path("/no/such"),
            "loop": Path(path.name),
            "file link": outside / "a.png",
        }
        path.symlink_to(targets.get(thing.kind, path.parent))


def _picture(seed: int | None) -> bytes:
    from io import BytesIO

    pixels = np.zeros((6, 8), np.uint8)
    if seed is not None:
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
