"""Cityscapes: `leftImg8bit/SPLIT/CITY/X_leftImg8bit.png` and `gtFine/SPLIT/CITY/X_gtFine_labelIds.png`.

The published label maps hold the ids of all 34 labels, so `data.label_map` has to name those of the classes; an empty
one is refused with the entries to copy. Label maps of training ids (`_gtFine_labelTrainIds.png`), where all images
have them, are read before the others and need no entries. With `data.things`, `_gtFine_instanceIds.png` beside them
number the objects. The group of an image is its city.

The labels of the test images are not public: the download has label maps of them that show the frame of the picture
alone. Where all of the folder `test` are so, its images count as images without a label map.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from ocrnet.config import DataParams, Params
from ocrnet.errors import DataError
from ocrnet.raw.groups import group_of
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem
from ocrnet.raw.sources.listed_images import own_splits
from ocrnet.raw.sources.missing_splits import CURE, lacking_splits
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
Key = tuple[str, ...]


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
    if not has_training_ids and not params.data.label_map:
        raise DataError(_id_table(params.data, inventory))
    splits = _splits(params, inventory, labelled)
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
    found: dict[str, Path] = {}
    for entry in inventory.open_entries():
        stem = Path(entry.parts[-1]).stem
        if stem.endswith(ending) and entry.path.suffix.lower() == ".png":
            name = stem.removesuffix(ending)
            if name in found:
                twins = f"{inventory.name(found[name])} and {inventory.name(entry.path)}"
                inventory.find("E114", f"{twins} have one name. Keep one of them.")
            found.setdefault(name, entry.path)
    return found


def _is_test(image: Path) -> bool:
    return split_named(image.parts[-3]) == "test"


def _are_frames(label_maps: Sequence[Path]) -> bool:
    """Return whether there are label maps, and none of them shows a label."""
    return bool(label_maps) and not any(_has_labels(path) for path in label_maps)


def _has_labels(label_map: Path) -> bool:
    low, high = FRAME_TRAINING_IDS if label_map.stem.endswith(TRAINING_IDS) else FRAME_IDS
    try:
        with Image.open(label_map) as image:
            values = image.getextrema()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return True  # the scan reports the fault of the file
    return image.mode != "L" or values[0] < low or values[1] > high


def _id_table(data: DataParams, inventory: Inventory) -> str:
    """Return the refusal of label maps whose ids are not named, with the entries for the classes."""
    entries = [f'"{value}": {name}' for name, value in LABELS.items() if name in data.classes]
    unknown = [name for name in data.classes if name not in LABELS]
    other = f" No label is called {', '.join(unknown)}." if unknown else ""
    return (
        f"E117 {inventory.root}: the label maps hold the ids of Cityscapes, and data.label_map is empty.{other} Set "
        f"data.label_map: {{{', '.join([*entries, 'other: ignore'])}}}"
    )


def _splits(
    params: Params, inventory: Inventory, images: Mapping[str, Path]
) -> dict[str, str | None]:
    keys = {_key(inventory, path): name for name, path in images.items()}
    own = own_splits(inventory, {key: images[name] for key, name in keys.items()}, keys)
    if own is not None:
        return {keys[key]: split for key, split in own.items()}
    splits = {name: split_named(path.parts[-3]) for name, path in images.items()}
    missing = lacking_splits(set(splits.values()), params)
    if missing:
        raise DataError(
            f"E126 {inventory.root}: the folders publish no labelled images of {', '.join(missing)}. {CURE}."
        )
    return dict(splits)


def _key(inventory: Inventory, path: Path) -> Key:
    return path.relative_to(inventory.root).with_suffix("").parts
