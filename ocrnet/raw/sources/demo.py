"""The demo set: surface inspection of metal and plastic plates, rendered offline from a seed.

Classes: plate (the background), scratch, pit, stain and crack. They are as unbalanced as on a real
line: of eight images five have scratches, four pits, four stains and one a crack. Tool marks, dust,
reflections and plate edges are no defects and have no label. The label map is exactly the geometry
that was drawn.

An image is a function of (seed, split, index, size) alone, so more images never change the existing ones.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ocrnet.config import Params
from ocrnet.data.decode import write_label_map
from ocrnet.data.manifest import SPLITS
from ocrnet.errors import ParamsError
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.label_maps import palette_of
from ocrnet.raw.sources import RawItem
from ocrnet.raw.sources._demo_defects import DEFECTS, Canvas
from ocrnet.raw.sources._demo_plate import photograph, render_plate

CLASS_NAMES = ("plate", "scratch", "pit", "stain", "crack")
BLOCK = 8  # images in which the shares of DEFECTS are exact
_PLATE, _DEFECTS, _CAMERA, _PLAN = range(4)  # the purpose of a generator, the last part of its seed


def find(params: Params, work: Path, inventory: Inventory) -> list[RawItem]:
    """Render the demo set into `work`, metal plates with defects, and return its items with their split.

    Raises:
        ParamsError: `data.classes` are not those of the demo set.
    """
    if params.data.classes != CLASS_NAMES:
        raise ParamsError(
            f"params.yaml: data.classes: found {list(params.data.classes)}, but data.source demo renders "
            f"{list(CLASS_NAMES)}. Set these, or use another source."
        )
    inventory.leave_rest("the source demo renders its images and reads none")
    demo = params.demo
    items: list[RawItem] = []
    for split, count in zip(SPLITS, (demo.train, demo.val, demo.test), strict=True):
        for index in range(count):
            name = f"{split}_{index:04d}"
            image, label_map = render(demo.seed, split, index, size=demo.size)
            image_path, label_path = (
                work / "images" / f"{name}.png",
                work / "label_maps" / f"{name}.png",
            )
            for path in (image_path, label_path):
                path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(image_path)
            # With the class colours, so that ids and colours mean the same classes.
            data = params.data
            write_label_map(
                label_path, label_map, palette=palette_of(data), ignore_index=data.ignore_index
            )
            items.append(RawItem(name, image_path, label_path, split, name))
    return items


def render(
    seed: int, split: str, index: int, *, size: tuple[int, int], defects: bool = True
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Render one image (H, W, 3) and its label map (H, W).

    Args:
        seed: Random seed of the whole set.
        split: One of train, val and test.
        index: Index of the image within its split.
        size: Height and width in pixels.
        defects: Whether to render the defects; without them the plate and the light are the same.
    """
    key = (seed, SPLITS.index(split), index)
    scale = min(size) / 96.0
    plate = render_plate(np.random.default_rng([*key, _PLATE]), size, scale=scale)
    canvas = Canvas(plate.reflectance, np.zeros(size, np.uint8), plate.surface, scale)
    rng = np.random.default_rng([*key, _DEFECTS])
    present = planned_defects(seed, split, index)
    for name, (draw, _) in DEFECTS.items():
        if defects and name in present:
            draw(rng, canvas, class_id=CLASS_NAMES.index(name))
    image = photograph(np.random.default_rng([*key, _CAMERA]), canvas.reflectance, scale=scale)
    return image, canvas.label_map


def planned_defects(seed: int, split: str, index: int) -> set[str]:
    """Return the defect classes of one image: each class is on its share of every block of eight images."""
    block = np.random.default_rng([seed, SPLITS.index(split), index // BLOCK, _PLAN])
    places = {name: block.permutation(BLOCK)[:share] for name, (_, share) in DEFECTS.items()}
    return {name for name, chosen in places.items() if index % BLOCK in chosen}
