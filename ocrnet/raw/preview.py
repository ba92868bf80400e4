"""The preview: a sheet of images beside their label-map overlays, with a legend."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from ocrnet.data.contact_sheet import fit_tile
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.drawn_text import class_label, drawable
from ocrnet.data.manifest import SPLITS, ClassTable

TILE_WIDTH = 320  # pixels
TILE_HEIGHT = 640  # pixels; a taller tile is shrunk
COLUMNS = 2  # pairs side by side
GAP = 8
LINE = 22
OPACITY = 0.6
Pixels = npt.NDArray[np.uint8]


def write_preview(
    folder: Path, manifest: pd.DataFrame, classes: ClassTable, *, rows: int = 2
) -> None:
    """Write `preview.jpg`: `rows` rows of pairs per split, and the class colours.

    Args:
        folder: Manifest folder.
        manifest: Manifest of the folder.
        classes: Names and colours of the classes.
        rows: Number of rows per split.
    """
    blocks = []
    for split in SPLITS:
        members = manifest[manifest["split"] == split].sort_values("id")
        picked = _pick(members, rows * COLUMNS, classes)
        blocks.append(_heading(f"{split}: {len(members)} images"))
        blocks += _pair_rows(folder, picked, classes)
    width = max(block.width for block in blocks)
    blocks.append(_legend(classes, width))
    sheet = Image.new("RGB", (width, sum(block.height for block in blocks)), "white")
    top = 0
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height
    sheet.save(folder / "preview.jpg", quality=88)


def overlay(image: Pixels, label_map: Pixels, classes: ClassTable) -> Pixels:
    """Blend the class colours into an image; ignored pixels become whiter."""
    colours = np.zeros((256, 3), dtype=np.float32)
    colours[: classes.num_classes] = classes.palette
    colours[classes.ignore_index] = 255
    mixed = image * (1 - OPACITY) + colours[label_map] * OPACITY
    return np.rint(mixed).astype(np.uint8)


def _pick(members: pd.DataFrame, count: int, classes: ClassTable) -> list[dict[str, str]]:
    """Pick rows: one half is richest in rare classes, the other half is evenly spaced."""
    columns = [f"px_{name}" for name in classes.class_names]
    totals = members[columns].sum().clip(lower=1)
    richness = (members[columns] / totals).sum(axis=1)
    rich = richness.sort_values(ascending=False, kind="stable").index[: count // 2]
    rest = members.drop(rich)
    spread = np.linspace(0, max(len(rest) - 1, 0), num=min(count - len(rich), len(rest)), dtype=int)
    chosen = members.loc[[*rich, *rest.index[spread]]]
    return [{str(k): str(v) for k, v in row.items()} for row in chosen.to_dict("records")]


def _pair_rows(
    folder: Path, picked: Sequence[dict[str, str]], classes: ClassTable
) -> list[Image.Image]:
    pairs = [_pair(folder, row, classes) for row in picked]
    rows = []
    for start in range(0, len(pairs), COLUMNS):
        line = pairs[start : start + COLUMNS]
        width = (2 * TILE_WIDTH + 2 * GAP) * COLUMNS
        row = Image.new("RGB", (width, max(pair.height for pair in line)), "white")
        for i, pair in enumerate(line):
            row.paste(pair, (i * width // COLUMNS, 0))
        rows.append(row)
    return rows


def _pair(folder: Path, row: dict[str, str], classes: ClassTable) -> Image.Image:
    image = read_image(folder / row["image"])
    drawn = overlay(image, read_label_map(folder / row["label_map"]), classes)
    tiles = [
        fit_tile(pixels, (TILE_HEIGHT, TILE_WIDTH), Image.Resampling.BILINEAR)
        for pixels in (image, drawn)
    ]
    size = (2 * TILE_WIDTH + 2 * GAP, tiles[0].shape[0] + LINE + GAP)
    pair = Image.new("RGB", size, "white")
    for i, tile in enumerate(tiles):
        pair.paste(Image.fromarray(tile), (GAP // 2 + i * (TILE_WIDTH + GAP // 2), LINE))
    ImageDraw.Draw(pair).text((GAP // 2, 4), drawable(row["id"]), fill="black", font=_font(13))
    return pair


def _heading(text: str) -> Image.Image:
    block = Image.new("RGB", (1, 1), "white")
    width = round(ImageDraw.Draw(block).textlength(text, font=_font(18))) + 2 * GAP
    block = Image.new("RGB", (width, LINE + 2 * GAP), "white")
    ImageDraw.Draw(block).text((GAP // 2, GAP), text, fill="black", font=_font(18))
    return block


def _legend(classes: ClassTable, width: int) -> Image.Image:
    names = [class_label(name, number) for number, name in enumerate(classes.class_names)]
    entries = [
        *zip(names, classes.palette, strict=True),
        ("ignored", (255, 255, 255)),
    ]
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    places: list[tuple[int, int]] = []
    x = y = GAP
    for name, _ in entries:
        size = round(probe.textlength(name, font=_font(14))) + LINE + 2 * GAP
        if x + size > width and x > GAP:
            x, y = GAP, y + LINE + GAP
        places.append((x, y))
        x += size
    block = Image.new("RGB", (width, y + LINE + GAP), "white")
    draw = ImageDraw.Draw(block)
    for (name, colour), (left, top) in zip(entries, places, strict=True):
        draw.rectangle((left, top, left + LINE - 6, top + LINE - 6), fill=colour, outline="black")
        draw.text((left + LINE, top), name, fill="black", font=_font(14))
    return block


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
