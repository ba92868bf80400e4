"""The source that reads a folder, by the folder's layout."""

import json
from collections.abc import Sequence
from pathlib import Path

from ocrnet.data.headers import EXTENSIONS
from ocrnet.errors import DataError
from ocrnet.raw.annotations.coco_file import KEYS as COCO_KEYS
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources.by_name import is_label_map, key_of
from ocrnet.raw.sources.folder import IMAGE_FOLDERS, INSTANCE_FOLDERS, LABEL_FOLDERS
from ocrnet.raw.sources.labelme import KEYS as LABELME_KEYS
from ocrnet.raw.sources.voc import IMAGES as VOC_IMAGES
from ocrnet.raw.sources.voc import LABEL_MAPS as VOC_LABEL_MAPS
from ocrnet.raw.sources.yolo import NAME_LISTS
from ocrnet.raw.tree import Entry

DEMO = "demo"  # the source that renders its images


def detect_source(path: Path) -> str:
    """Return the source that reads a folder, by its layout.

    Raises:
        DataError: There is no such folder.
    """
    if path == Path(DEMO) and not path.exists():
        return DEMO
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "does not exist"
        raise DataError(f"E114 {path} {what}. Name the folder that contains the labelled images.")
    lists = all((path / f"{split}.txt").is_file() for split in ("train", "val", "test"))
    if lists and (path / "trainannot").is_dir():
        return "camvid"
    entries = Inventory(path).open_entries()
    folders = {part for entry in entries for part in entry.parts[:-1]}
    if {"leftImg8bit", "gtFine"} <= folders:
        return "cityscapes"
    if {"stuffthingmaps", "stuffthingmaps_trainval2017"} & folders:
        return "cocostuff"
    if {VOC_IMAGES, VOC_LABEL_MAPS} <= folders:
        return "voc"
    if _have_one_stem(entries):
        return "folder"
    return _source_of_annotations(entries) or _source_by_names(entries)


def _have_one_stem(entries: Sequence[Entry]) -> bool:
    """Return whether a folder of images and one of label maps, both at the top, have a stem in common."""
    stems = [
        {
            entry.path.stem
            for entry in entries
            if len(entry.parts) > 1
            and entry.parts[0].casefold() in names
            and entry.path.suffix.lower() in EXTENSIONS
        }
        for names in (IMAGE_FOLDERS, (*LABEL_FOLDERS, *INSTANCE_FOLDERS))
    ]
    return bool(stems[0] & stems[1])


def _source_by_names(entries: Sequence[Entry]) -> str:
    """Return `by_name` if that source finds an image with its label map, else `folder`, which tells what is wrong."""
    paths = [entry.parts for entry in entries if entry.path.suffix.lower() in EXTENSIONS]
    label_maps = {key_of(parts) for parts in paths if is_label_map(parts)}
    images = {key_of(parts) for parts in paths if not is_label_map(parts)}
    return "by_name" if images & label_maps else "folder"


def _source_of_annotations(entries: Sequence[Entry]) -> str | None:
    for entry in entries:
        if entry.path.suffix.lower() == ".json":
            keys = _keys(entry.path)
            if keys >= COCO_KEYS:
                return "coco"
            if keys >= LABELME_KEYS:
                return "labelme"
    names = {entry.parts[-1].casefold() for entry in entries}
    has_names = bool(names & {*NAME_LISTS, "data.yaml", "data.yml", "dataset.yaml"})
    stems = {entry.path.stem for entry in entries if entry.path.suffix.lower() in EXTENSIONS}
    texts = {entry.path.stem for entry in entries if entry.path.suffix.lower() == ".txt"}
    return "yolo" if has_names and stems & texts else None


def _keys(path: Path) -> set[str]:
    """Return the keys of a JSON file; none if it cannot be read, which its source tells."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return set()
    return set(content) if isinstance(content, dict) else set()
