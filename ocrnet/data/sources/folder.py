"""A folder of images and a folder of label maps with the same stems.

`images/` (or `img_dir/`) and `masks/` (or `annotations/`, `labels/`, `ann_dir/`), any image type,
any case of the extension, subfolders allowed on both sides. The split is that of
`splits/{train,val,test}.txt` with a stem per line, or of the subfolders `images/{train,val,test}`;
where there is neither, prepare draws one by group.
"""

import logging
from collections import Counter
from pathlib import Path

from ocrnet.config import Params
from ocrnet.data.headers import EXTENSIONS
from ocrnet.data.manifest import SPLITS
from ocrnet.data.sources import RawItem
from ocrnet.data.splits import group_of
from ocrnet.errors import DataError

IMAGE_FOLDERS = ("images", "img_dir")
LABEL_FOLDERS = ("masks", "annotations", "labels", "ann_dir")

logger = logging.getLogger(__name__)
Key = tuple[str, ...]  # path below the folder, without the extension


def find(params: Params, work: Path) -> list[RawItem]:
    """Return the items under `data.path`; `work` stays empty.

    Raises:
        DataError: the folders, the stems or the lists do not fit together.
    """
    root = Path(params.data.path)
    image_folder = _folder(root, IMAGE_FOLDERS)
    label_folder = _folder(root, LABEL_FOLDERS)
    images, label_maps = _files(image_folder), _files(label_folder)
    if not images:
        raise DataError(f"E114 found no images in {image_folder}/ ({', '.join(EXTENSIONS)}).")
    if not images.keys() & label_maps.keys():
        raise DataError(_no_match(root, image_folder, label_folder, images, label_maps))
    if left := sorted(label_maps.keys() - images.keys()):
        logger.warning("%d masks have no image: %s ...", len(left), "/".join(left[0]))
    names = _names(images)
    splits = _splits(root, images, names)
    return [
        RawItem(
            id=names[key],
            image=path,
            label_map=label_maps.get(key),
            split=splits[key],
            group=group_of(names[key], params.data.group_by),
        )
        for key, path in images.items()
        if key in splits
    ]


def _folder(root: Path, names: tuple[str, ...]) -> Path:
    found = [root / name for name in names if (root / name).is_dir()]
    if not found:
        there = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
        raise DataError(
            f"E114 {root}: none of {', '.join(name + '/' for name in names)} is there (found: "
            f"{', '.join(there[:8]) or 'nothing'}). Set data.path to the folder that holds them."
        )
    if len(found) > 1:
        logger.warning("%s is read; %s is not", found[0], found[1])
    return found[0]


def _files(folder: Path) -> dict[Key, Path]:
    files: dict[Key, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in EXTENSIONS or path.name.startswith("."):
            continue
        key = path.relative_to(folder).with_suffix("").parts
        if key in files:
            raise DataError(f"E114 {files[key]} and {path} have one stem. Keep one of them.")
        files[key] = path
    return files


def _names(images: dict[Key, Path]) -> dict[Key, str]:
    """Name items by their stem; by their whole path where stems repeat."""
    repeated = len({key[-1] for key in images}) < len(images)
    return {key: "-".join(key) if repeated else key[-1] for key in images}


def _splits(root: Path, images: dict[Key, Path], names: dict[Key, str]) -> dict[Key, str | None]:
    lists = [root / "splits" / f"{split}.txt" for split in SPLITS]
    if any(path.is_file() for path in lists):
        return _listed(lists, names)
    if {key[0] for key in images if len(key) > 1} & set(SPLITS):
        stray = [path for key, path in images.items() if key[0] not in SPLITS or len(key) == 1]
        if stray:
            raise DataError(
                f"E126 {stray[0]} is in none of images/{{{','.join(SPLITS)}}}/, where others are. "
                "Move it there."
            )
        return {key: key[0] for key in images}
    return dict.fromkeys(images)


def _listed(lists: list[Path], names: dict[Key, str]) -> dict[Key, str | None]:
    keys = {name: key for key, name in names.items()}
    splits: dict[Key, str | None] = {}
    for split, path in zip(SPLITS, lists, strict=True):
        if not path.is_file():
            raise DataError(f"E126 {path}: no such list, though another is there. Write all three.")
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            stem = line.strip()
            if not stem:
                continue
            if stem not in keys:
                raise DataError(
                    f"E114 {path} line {number}: no image has the stem {stem!r}; one that is there "
                    f"is {next(iter(keys))!r}."
                )
            if keys[stem] in splits:
                raise DataError(
                    f"E113 {path} line {number}: {stem!r} is in {splits[keys[stem]]} already. "
                    "List each stem once."
                )
            splits[keys[stem]] = split
    if unlisted := len(names) - len(splits):
        logger.warning("%d images are in none of the lists and left out", unlisted)
    return splits


def _no_match(
    root: Path,
    image_folder: Path,
    label_folder: Path,
    images: dict[Key, Path],
    label_maps: dict[Key, Path],
) -> str:
    suffixes = Counter(path.suffix for path in images.values())
    kinds = ", ".join(suffix for suffix, _ in suffixes.most_common(3))
    found = (
        f"E114 found {len(images)} images ({kinds}) and {len(label_maps)} masks in "
        f"{label_folder.name}/"
    )
    if label_maps:
        mine, theirs = next(iter(images.values())).stem, next(iter(label_maps.values())).stem
        found += f", none with the stem of an image (image {mine!r}, mask {theirs!r})"
    stems = {key[-1] for key in images}
    others = Counter(
        path.parent
        for path in root.rglob("*")
        if path.suffix.lower() in EXTENSIONS and path.stem in stems
    )
    near = [
        (folder, count)
        for folder, count in others.most_common()
        if not folder.is_relative_to(image_folder)
    ]
    if not near:
        return f"{found}. No other folder under {root} has matching stems; give both the same stem."
    folder, count = near[0]
    return f"{found}. Nearest directory with matching stems: {folder.relative_to(root)}/ ({count})."
