"""Raw sets that are spoilt in one way, each with the code and the line of its finding."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.ocrnet.data.raw_files import write_tiff
from tests.ocrnet.raw.raw_sets import noise, save, stripes

Break = Callable[[Path], object]


def mask(name: str, pixels: Any) -> Break:
    return lambda raw: save(raw / "masks" / f"{name}.png", pixels)


def image(name: str, pixels: Any) -> Break:
    return lambda raw: save(raw / "images" / f"{name}.png", pixels)


def changed(value: Any) -> Any:
    """Return stripes with 2 pixels of another value, the first at x=14 y=3."""
    pixels = stripes() if np.isscalar(value) else colours()
    pixels[3, 14:] = value
    return pixels


def colours() -> Any:
    return np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], dtype=np.uint8)[stripes()]


def only_0_and_255(raw: Path) -> None:
    for path in (raw / "masks").iterdir():
        save(path, np.where(stripes() == 1, np.uint8(255), np.uint8(0)))


def masks_as_jpeg(raw: Path) -> None:
    for path in (raw / "masks").iterdir():
        save(path.with_suffix(".jpg"), stripes() * np.uint8(100))
        path.unlink()


def turned(raw: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (raw / "images" / "a2.png").unlink()
    save(raw / "images" / "a2.jpg", noise(2), exif=exif)
    save(raw / "masks" / "a2.png", stripes((16, 12)))


def sixteen_bits(raw: Path) -> None:
    for path in (raw / "images").iterdir():
        pixels = noise(int(path.stem[1:]), (12, 16)).astype(np.uint16) * 16
        pixels[0, :2] = (0, 4095)
        save(path, pixels)


def cut(path: str) -> Break:
    def halve(raw: Path) -> None:
        content = (raw / path).read_bytes()
        (raw / path).write_bytes(content[: len(content) // 2])

    return halve


def no_masks(raw: Path) -> None:
    (raw / "masks").rename(raw / "truth")
    (raw / "masks").mkdir()


def sorted_palettes(raw: Path) -> None:
    """An optimiser put white first in one of the black and white palettes."""
    for path in (raw / "masks").iterdir():
        swapped = path.stem == "a3"
        image_ = Image.fromarray((stripes() > 0) ^ np.bool_(swapped)).convert("L").point(bool)
        image_.putpalette([255] * 3 + [0] * 3 if swapped else [0] * 3 + [255] * 3)
        image_.save(path)


def turned_mask(raw: Path) -> None:
    flag = Image.Exif()
    flag[0x0112] = 3
    (raw / "masks" / "a2.png").unlink()
    save(raw / "masks" / "a2.tif", stripes(), exif=flag)


def negative_void(raw: Path) -> None:
    (raw / "masks" / "a3.png").unlink()
    pixels = changed(34).astype(np.int32)
    pixels[pixels == 34] = -1
    save(raw / "masks" / "a3.tif", pixels)


def half_transparent(raw: Path) -> None:
    alpha = np.full((12, 16, 1), 255, np.uint8)
    alpha[:, :4] = 0
    save(raw / "images" / "a4.png", np.concatenate([noise(4), alpha], axis=2))


def four_bands(raw: Path) -> None:
    (raw / "images" / "a4.png").unlink()
    samples = np.concatenate([noise(4), noise(9)[..., :1]], axis=2)
    write_tiff(raw / "images" / "a4.tif", samples, bits=8, photometric=2, tags={338: [0]})


def without_pits(raw: Path) -> None:
    for name in (raw / "splits" / "train.txt").read_text().split():
        save(raw / "masks" / f"{name}.png", np.minimum(stripes(), 1))


def numbered(name: str, pixels: Any) -> Break:
    """Number an object a column in each map of objects but one."""

    def write(raw: Path) -> None:
        columns = np.cumsum(np.ones((12, 16), np.uint16), axis=1, dtype=np.uint16)
        for path in (raw / "masks").iterdir():
            if path.stem != name:
                save(raw / "instances" / path.name, columns * (stripes() > 0))
            elif pixels is not None:
                save(raw / "instances" / path.name, pixels)

    return write


def whole(number: int, size: tuple[int, int] = (12, 16)) -> Any:
    return np.full(size, number, dtype=np.uint16)


THINGS = {"things": ["scratch", "pit"]}


# What breaks the set, the params besides, the code, and its line.
BAD: dict[str, tuple[Break, dict[str, Any], str, str]] = {
    "an id of no class": (
        mask("a3", changed(34)), {}, "E101",
        r"masks/a3.png has value 34 \(2 px, first at x=14 y=3\) but data.classes has 3 entries \(0-2\) and "
        r"ignore_index is 255. Add it to data.label_map or data.classes.",
    ),
    "a negative id": (
        negative_void, {}, "E101", r"masks/a3.tif has value -1 \(2 px, first at x=14 y=3\)"
    ),
    "an id that the label map leaves out": (
        lambda raw: None, {"label_map": {1: "plate", 2: "scratch"}}, "E101",
        r"masks/a0.png has value 0 \(72 px, first at x=0 y=0\) which data.label_map does not name, .*"
        r"class 0 'plate'. Add 0 to data.label_map.",
    ),
    "0 and 255 alone": (
        only_0_and_255, {}, "E102",
        r"All 8 masks contain only \{0, 255\}. 255 is ignore_index, so class 1 'scratch' would never be learned. "
        r"Use data.label_map: \{255: scratch\}.",
    ),
    "a colour of no class": (
        mask("a1", changed((128, 1, 0))), {}, "E104",
        r"masks/a1.png is RGB with 4 colours; \(128,1,0\) is in no palette entry \(nearest is 'scratch' \(128,0,0\); "
        r"2 px, first at x=14 y=3\). .*anti-aliased .*JPEG.* data.label_map",
    ),
    "JPEG masks": (
        masks_as_jpeg, {}, "E105",
        r"8 masks are JPEG; compression changes class ids \(found \d+ values\). Re-export as PNG: masks/a0.jpg, ",
    ),
    "gray ids beside a palette": (
        lambda raw: None, {"palette": [[0, 0, 0], [200, 0, 0], [0, 200, 0]]}, "E104",
        r"masks/a0.png is a gray file.*\(1,1,1\) is in no palette entry.*If 1 is an id, .*data.label_map",
    ),
    "sorted palettes": (
        sorted_palettes, {}, "E106", r"1 masks are palette files .*: masks/a3.png. Name the colours in data.label_map"
    ),
    "another size": (
        mask("a4", stripes((12, 15))), {}, "E107", r"a4: image 16x12, mask 15x12\. "
    ),
    "a turned image": (
        turned, {"exif": "ignore"}, "E107",
        r"a2: image 16x12, mask 12x16 \(transposed: EXIF orientation 6 on the image\?\)",
    ),
    "a rotation flag": (
        turned, {}, "E108",
        r"1 images have a rotation flag \(EXIF orientation 6\): images/a2.jpg. Set data.exif to apply or ignore. "
        r"1 masks have the rotated size",
    ),
    "a rotation flag of a mask": (
        turned_mask, {}, "E108", r"1 masks have a rotation flag \(EXIF orientation 3\): masks/a2.tif."
    ),
    "four bands": (
        four_bands, {}, "E110", r"1 images have 4 bands.*: images/a4.tif. Set data.extra_bands to drop"
    ),
    "transparent pixels": (
        half_transparent, {}, "E111", r"1 images have transparent pixels \(25.0%.*: images/a4.png. Set data.alpha"
    ),
    "16 bits": (
        sixteen_bits, {}, "E109",
        r"8 images \(first images/a0.png\) are uint16, range 0-4095; set data.value_range: \[0, 4095\].",
    ),
    "a picture in two splits": (
        image("a7", noise(2)), {}, "E113",
        r"1 images are in both train and test \(e.g. images/a2.png = images/a7.png\). Remove one of each from train or "
        r"test, or set data.allow_duplicates: true to keep both.",
    ),
    "a class that no training image shows": (
        without_pits, {}, "E127",
        r"train has no pixel of class 'pit' \(it is in 2 images of 2 groups\), so no model can learn it .*"
        r"validate.allow_unlearned: true",
    ),
    "one group and no published split": (
        lambda raw: shutil.rmtree(raw / "splits"), {"group_by": "^(a)"}, "E126",
        r"1 groups cannot fill train, val and test: .*data.group_by.* splits/train.txt",
    ),
    "a group in two splits": (
        lambda raw: None, {"group_by": "^(a)"}, "E113",
        r"group 'a' of data.group_by is in test and train and val by the published split.",
    ),
    "a missing mask": (
        lambda raw: (raw / "masks" / "a5.png").unlink(), {}, "E114",
        r"1 of 8 images have no mask: images/a5.png.",
    ),
    "no masks": (
        no_masks, {}, "E114",
        r"found 8 images \(.png\) and 0 masks in masks/. truth/ has 8 files with matching stems",
    ),
    "a truncated image": (cut("images/a6.png"), {}, "E121", r"images/a6.png cannot be read"),
    "a truncated mask": (cut("masks/a6.png"), {}, "E121", r"masks/a6.png cannot be read"),
    "mixed depths": (
        image("a3", np.full((12, 16), 300, dtype=np.uint16)), {"value_range": [0, 4095]}, "E122",
        r"images differ in depth: 7 uint8, 1 uint16 \(images/a3.png\)",
    ),
    "a mask that is all void": (
        mask("a3", np.full((12, 16), 255, dtype=np.uint8)), {}, "E125",
        r"masks/a3.png: share 1.000 of its pixels is ignored",
    ),
    "a map of objects in colours": (
        numbered("a3", noise(3)), THINGS, "E141", r"instances/a3.png has colours, expected numbers. Export a gray PNG"
    ),
    "a truncated map of objects": (
        lambda raw: (numbered("", None)(raw), cut("instances/a3.png")(raw)), THINGS, "E141",
        r"instances/a3.png cannot be read",
    ),
    "a map of objects of another size": (
        numbered("a3", whole(1, (12, 15))), THINGS, "E142",
        r"instances/a3.png: the map of objects is 15x12, the mask is 16x12. Export both at one size.",
    ),
    "things without objects": (
        numbered("a3", whole(0)), THINGS, "E143",
        r"instances/a3.png: 120 px of scratch, pit have no object, first at x=1 y=0. Number them, or ignore them",
    ),
    "an object of two classes": (
        numbered("a3", whole(9)), THINGS, "E144",
        r"instances/a3.png: object 9 \(first at x=0 y=0\) covers two classes of the mask. Give each class an object",
    ),
    "a missing map of objects": (
        numbered("a3", None), THINGS, "E145",
        r"1 of 8 images have no map of objects: images/a3.png. Add the maps; or move",
    ),
}  # fmt: skip
