"""Cityscapes: `leftImg8bit/SPLIT/CITY/X_leftImg8bit.png` and `gtFine/SPLIT/CITY/X_gtFine_labelIds.png`.

The published label maps hold the ids of all 34 labels, so `data.label_map` has to name those of the classes; an empty
one is refused with the entries to copy. Label maps of training ids (`_gtFine_labelTrainIds.png`), where all images
have them, are read before the others and need no entries. With `data.things`, `_gtFine_instanceIds.png` beside them
number the objects. The group of an image is its city.

The labels of the test images are not public: the download has label maps of them that show the frame of the picture
alone. Where all of the folder `test` are so, its images count as images without a label map.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ocrnet.config import Params
from ocrnet.errors import DataError
from ocrnet.raw.groups import group_of
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem
from ocrnet.raw.sources.published_sets import (
    files_by_name,
    published_splits,
    refuse_unnamed_ids,
)
from ocrnet.raw.sources.split_names import split_named

IMAGE, IDS, TRAINING_IDS = "_leftImg8bit", "_gtFine_labelIds", "_gtFine_labelTrainIds"
OBJECTS = "_gtFine_instanceIds"
CITY = "^([A-Za-z-]+)_"
# Lowest and highest value of what is no label: unlabelled, own vehicle, borders.
FRAME_IDS, FRAME_TRAINING_IDS = (0, 3), (255, 255)
# https://github.com/mcordts/cityscapesScripts, helpers/labels.py: the labels with a training id, in its order.
LABELS = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19,
    "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26, "truck": 27,
    "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip


def find(params: Params, work: Path, inventory: Inventory) -> list[RawItem]:
    """Return the labelled images of Cityscapes; `work` stays empty.

    Raises:
        DataError: No image has a label map, the ids of the label maps are not named, or a split is missing.
    """
    images = _with_ending(inventory, IMAGE)
    training, ids = _with_ending(inventory, TRAINING_IDS), _with_ending(inventory, IDS)
    labelled = {name: path for name, path in images.items() if name in ids or name in training}
    if _are_frames([(training | ids)[name] for name, path in labelled.items() if _is_test(path)]):
        labelled = {name: path for name, path in labelled.items() if not _is_test(path)}
    has_training_ids = bool(labelled) and labelled.keys() <= training.keys()
    label_maps = training if has_training_ids else ids
    if not labelled or not labelled.keys() <= label_maps.keys():
        raise DataError(
            f"E114 {inventory.root}: {len(images)} images end with {IMAGE}, {len(ids)} label maps with {IDS} and "
            f"{len(training)} with {TRAINING_IDS}. Put leftImg8bit/ and gtFine/ there."
        )
    if not has_training_ids:
        refuse_unnamed_ids(params.data, inventory, LABELS, ids="the ids of Cityscapes")
    splits = published_splits(params, inventory, labelled, _split_of)
    objects = _with_ending(inventory, OBJECTS) if params.data.things else {}
    items = [
        RawItem(
            name, path, label_maps[name], splits[name], group_of(name, params.data.group_by or CITY),
            instances=objects.get(name),
        )
        for name, path in labelled.items()
        if name in splits
    ]  # fmt: skip
    used = [path for item in items for path, _ in item.files]
    inventory.leave_rest("no labelled image of the split and no label map of one", keep=used)
    return items


def _with_ending(inventory: Inventory, ending: str) -> dict[str, Path]:
    """Return the files whose stem has an ending, by what is before it."""
    return files_by_name(
        inventory, ".png",
        lambda stem: stem.removesuffix(ending) if stem.endswith(ending) else None,
    )  # fmt: skip


def _is_test(image: Path) -> bool:
    return _split_of(image) == "test"


def _are_frames(label_maps: Sequence[Path]) -> bool:
    """Return whether there are label maps, and none of them shows a label."""
    return bool(label_maps) and not any(_has_labels(path) for path in label_maps)


def _has_labels(label_map: Path) -> bool:
    low, high = FRAME_TRAINING_IDS if label_map.stem.endswith(TRAINING_IDS) else FRAME_IDS
    try:
        with Image.open(label_map) as image:
            values: Any = image.getextrema()  # a pair of numbers for one band
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return True  # the scan reports the fault of the file
    return image.mode != "L" or values[0] < low or values[1] > high


def _split_of(path: Path) -> str | None:
    """Return the split of an image, whose folder is its city."""
    return split_named(path.parts[-3])
