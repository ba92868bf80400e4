"""CamVid in the layout of the SegNet tutorial: `train/`, `trainannot/`, `train.txt` and so on.

The lists' paths start with the publisher's `/SegNet/CamVid`, which exists nowhere: the last two
parts count. The split is the published one. Frames of one drive are seconds apart, so the group is
the drive, which is the name up to the first "_"; the published split does cut through drives.
"""

from pathlib import Path

from ocrnet.config import Params
from ocrnet.data.manifest import SPLITS
from ocrnet.data.sources import RawItem
from ocrnet.data.splits import group_of
from ocrnet.errors import DataError

DRIVE = "^([^_]+)_"


def find(params: Params, work: Path) -> list[RawItem]:
    """Return the items of the three lists under `data.path`; `work` stays empty.

    Raises:
        DataError: a list is missing, or a line of it does not name an image and a label map.
    """
    root = Path(params.data.path)
    pattern = params.data.group_by or DRIVE
    items: dict[str, RawItem] = {}
    for split in SPLITS:
        listing = root / f"{split}.txt"
        if not listing.is_file():
            raise DataError(
                f"E114 {listing}: no such list. data.source camvid expects train.txt, train/ and "
                "trainannot/, and the same for val and test; set data.path to their folder."
            )
        for number, line in enumerate(listing.read_text().splitlines(), start=1):
            if not line.strip():
                continue
            image, label_map = _paths(line, root, place=f"{listing} line {number}")
            if image.stem in items:
                raise DataError(
                    f"E113 {listing} line {number}: {image.stem} is in {items[image.stem].split} "
                    "already. List each image once."
                )
            items[image.stem] = RawItem(
                id=image.stem,
                image=image,
                label_map=label_map if label_map.is_file() else None,
                split=split,
                group=group_of(image.stem, pattern),
            )
    return list(items.values())


def _paths(line: str, root: Path, *, place: str) -> tuple[Path, Path]:
    parts = [Path(part).parts[-2:] for part in line.split()]
    if len(parts) != 2 or any(len(part) != 2 for part in parts):
        raise DataError(
            f"E114 {place}: found {line.strip()!r}, expected the path of an image and that of its "
            "label map."
        )
    return root.joinpath(*parts[0]), root.joinpath(*parts[1])
