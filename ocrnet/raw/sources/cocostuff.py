"""COCO-Stuff as pixel maps: `train2017/X.jpg` and `stuffthingmaps/train2017/X.png`, and the same for val2017.

The folders may be below others, such as `images/` and `annotations/`. A label map holds the ids of 91 things and 91
kinds of stuff, minus 1, so 0 to 181; 255 is unlabelled. `data.label_map` has to name those of the classes; an empty one
is refused with the entries to copy. There is no labelled test split.
"""

from pathlib import Path

from ocrnet.config import Params
from ocrnet.data.manifest import SPLITS
from ocrnet.errors import DataError
from ocrnet.raw.groups import group_of
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem
from ocrnet.raw.sources.published_sets import (
    files_by_name,
    published_splits,
    refuse_unnamed_ids,
)

IMAGE, LABEL_MAP = ".jpg", ".png"
YEAR = "2017"
# https://github.com/nightrome/cocostuff, labels.txt: the names of the ids 1 to 182, in order.
_THINGS = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, street "
    "sign, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, "
    "hat, backpack, umbrella, shoe, eye glasses, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, "
    "kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket, bottle, plate, wine glass, cup, "
    "fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, "
    "chair, couch, potted plant, bed, mirror, dining table, window, desk, toilet, door, tv, laptop, mouse, "
    "remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, blender, book, clock, vase, "
    "scissors, teddy bear, hair drier, toothbrush, hair brush"
)  # fmt: skip
_STUFF = (
    "banner, blanket, branch, bridge, building-other, bush, cabinet, cage, cardboard, carpet, ceiling-other, "
    "ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain, desk-stuff, dirt, door-stuff, fence, "
    "floor-marble, floor-other, floor-stone, floor-tile, floor-wood, flower, fog, food-other, fruit, furniture- "
    "other, grass, gravel, ground-other, hill, house, leaves, light, mat, metal, mirror-stuff, moss, mountain, "
    "mud, napkin, net, paper, pavement, pillow, plant-other, plastic, platform, playingfield, railing, railroad, "
    "river, road, rock, roof, rug, salad, sand, sea, shelf, sky-other, skyscraper, snow, solid-other, stairs, "
    "stone, straw, structural-other, table, tent, textile-other, towel, tree, vegetable, wall-brick, wall- "
    "concrete, wall-other, wall-panel, wall-stone, wall-tile, wall-wood, water-other, waterdrops, window-blind, "
    "window-other, wood"
)  # fmt: skip
LABELS = {name: value for value, name in enumerate(f"{_THINGS}, {_STUFF}".split(", "))}
# Labels of COCO's list that its annotators left out: no image has them.
NEVER_LABELLED = frozenset(
    {
        "street sign", "hat", "shoe", "eye glasses", "plate", "mirror", "window", "desk", "door", "blender",
        "hair brush",
    }
)  # fmt: skip


def find(params: Params, work: Path, inventory: Inventory) -> list[RawItem]:
    """Return the images of COCO-Stuff that have a label map; `work` stays empty.

    Raises:
        DataError: No image has a label map, the ids of the label maps are not named, or a split is missing.
    """
    images, label_maps = _by_stem(inventory, IMAGE), _by_stem(inventory, LABEL_MAP)
    labelled = {name: path for name, path in images.items() if name in label_maps}
    if not labelled:
        raise DataError(
            f"E114 {inventory.root}: {len(images)} images end with {IMAGE} and {len(label_maps)} label maps with "
            f"{LABEL_MAP}, but no two have one stem. Put train{YEAR}/ and val{YEAR}/ there, and the same folders of "
            "label maps below another one, such as stuffthingmaps/."
        )
    refuse_unnamed_ids(params.data, inventory, LABELS, ids="the ids of COCO-Stuff minus 1")
    splits = published_splits(params, inventory, labelled, _split_of)
    items = [
        RawItem(name, path, label_maps[name], splits[name], group_of(name, params.data.group_by))
        for name, path in labelled.items()
        if name in splits
    ]  # fmt: skip
    used = [path for item in items for path in (item.image, item.label_map)]
    inventory.leave_rest("no labelled image of the split and no label map of one", keep=used)
    return items


def _by_stem(inventory: Inventory, suffix: str) -> dict[str, Path]:
    """Return the files with a suffix by their stems."""
    return files_by_name(
        inventory, suffix, lambda stem: None if stem.endswith("_labelTrainIds") else stem
    )


def _split_of(path: Path) -> str | None:
    """Return the split of an image by its folder, such as train2017."""
    name = path.parent.name.casefold().removesuffix(YEAR)
    return name if name in SPLITS else None
