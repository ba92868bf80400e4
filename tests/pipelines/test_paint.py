"""The command that repaints an edited image: from files to files, and its errors in one line."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ocrnet.bundles.bundle import build_model, save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.data.decode import read_image, read_label_map, write_image, write_label_map
from ocrnet.gan.generator.network import Generator
from ocrnet.gan.generator.painter import Painter, save_painter
from ocrnet.gan.generator.presets import Preset
from pipelines.paint import main
from tests.ocrnet.conftest import CLASSES, write_toy_set

TINY = Preset((8, 8, 4), (4, 8, 8), 4, 1, 4, 1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set, a GAN of it, and an edited label map of its first test image."""
    root = tmp_path_factory.mktemp("paint")
    prepared = write_toy_set(root / "prepare", counts={"train": 2, "val": 1, "test": 1})
    torch.manual_seed(0)
    painter = Painter(Generator(CLASSES.num_classes, TINY), CLASSES)
    save_painter(root / "gan", painter, arch="oasis", preset_name="cpu-demo")
    edited = read_label_map(prepared / "label_maps/test_00.png")
    edited[50:56, 60:70] = 2
    write(root / "edited.png", edited)
    return root


def write(path: Path, label_map: np.ndarray) -> None:
    write_label_map(path, label_map, palette=CLASSES.palette, ignore_index=CLASSES.ignore_index)


def image_of(root: Path) -> Path:
    return root / "prepare/images/test_00.png"


def run(root: Path, mask: Path, *more: str, image: Path | None = None) -> int:
    return main([
        str(image or image_of(root)), str(mask), "--gan", str(root / "gan"),
        "--data", str(root / "prepare"), "--model", str(root / "model"), *more,
    ])  # fmt: skip


def refused(
    root: Path, mask: Path, *more: str, capsys: pytest.CaptureFixture[str], code: int = 3, image: Path | None = None
) -> str:  # fmt: skip
    assert run(root, mask, *more, image=image) == code
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    return told


def test_an_edit_is_painted_and_the_rest_kept(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, sheet = tmp_path / "new/out.png", tmp_path / "sheet.png"
    assert run(root, root / "edited.png", "-o", str(out), "--sheet", str(sheet)) == 0
    assert f"label map before the edit: from {root / 'prepare'}" in capsys.readouterr().out
    before, after = read_image(image_of(root)), read_image(out)
    assert (before != after).any()
    assert np.array_equal(before[:44], after[:44])
    assert np.array_equal(before[:, :52], after[:, :52])
    with Image.open(sheet) as picture:
        assert picture.width > 4 * 300


def test_the_same_seed_gives_the_same_file(root: Path, tmp_path: Path) -> None:
    made = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        out = tmp_path / f"{name}.png"
        assert run(root, root / "edited.png", "-o", str(out), "--seed", seed) == 0
        made.append(out.read_bytes())
    assert made[0] == made[1] != made[2]


def test_colours_and_ids_say_the_same(root: Path, tmp_path: Path) -> None:
    """A painting program saves a palette PNG as colours, a script as bare ids."""
    edited = read_label_map(root / "edited.png")
    with Image.open(root / "edited.png") as picture:
        picture.convert("RGB").save(tmp_path / "colours.png")
    Image.fromarray(edited).save(tmp_path / "ids.png")
    made = []
    for mask in (root / "edited.png", tmp_path / "colours.png", tmp_path / "ids.png"):
        assert run(root, mask, "-o", str(tmp_path / "out.png")) == 0
        made.append((tmp_path / "out.png").read_bytes())
    assert made[0] == made[1] == made[2]


def test_a_palette_that_a_painting_program_sorted_says_the_same_or_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited, mask, out = read_label_map(root / "edited.png"), tmp_path / "m.png", tmp_path / "o.png"
    assert run(root, root / "edited.png", "-o", str(out)) == 0
    right = out.read_bytes()
    colours = {0: CLASSES.palette[0], 1: CLASSES.palette[1], 2: CLASSES.palette[2], 255: (255,) * 3}

    def sort_palette(order: dict[int, int]) -> None:
        indexes, palette = np.zeros(edited.shape, np.uint8), np.zeros((256, 3), np.uint8)
        for class_id, index in order.items():
            indexes[edited == class_id] = index
            palette[index] = colours[class_id]
        picture = Image.fromarray(indexes)
        picture.putpalette(palette.reshape(-1).tolist())
        picture.save(mask)

    sort_palette({0: 102, 1: 100, 2: 101, 255: 103})
    assert run(root, mask, "-o", str(out)) == 0
    assert out.read_bytes() == right
    sort_palette({0: 2, 1: 0, 2: 1, 255: 255})
    told = refused(root, mask, "-o", str(out), capsys=capsys)
    assert "as ids and its colours mean different classes" in told


def test_a_foreign_image_needs_its_label_map_or_a_model(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of the same name and other pixels is not the prepared one."""
    image, out = tmp_path / "test_00.png", tmp_path / "out.png"
    write_image(image, read_image(image_of(root)) // 2 + 60)
    told = refused(root, root / "edited.png", "-o", str(out), capsys=capsys, image=image)
    assert "Give --original-mask or --model" in told

    original = str(root / "prepare/label_maps/test_00.png")
    more = ("-o", str(out), "--original-mask", original)
    assert run(root, root / "edited.png", *more, image=image) == 0
    assert original in capsys.readouterr().out

    card = ModelCard(
        "ocrnet", {"backbone": "resnet18", "mid_channels": 16, "key_channels": 8}, CLASSES
    )
    save_bundle(tmp_path / "model", card, build_model(card).state_dict())
    more = ("-o", str(out), "--model", str(tmp_path / "model"))
    assert run(root, root / "edited.png", *more, image=image) == 0
    assert f"predicted by {tmp_path / 'model'}" in capsys.readouterr().out


def test_wrong_masks_are_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited, out = read_label_map(root / "edited.png"), ("-o", str(tmp_path / "out.png"))
    mask = tmp_path / "mask.png"
    write(mask, edited[:-4])
    assert "60 x 80, but the image has 64 x 80" in refused(root, mask, *out, capsys=capsys)
    edited[0, 0] = 7
    write(mask, edited)
    assert "ids [7] are not classes. Allowed: 0 to 2" in refused(root, mask, *out, capsys=capsys)
    Image.fromarray(np.full((64, 80, 3), 9, np.uint8)).save(mask)
    assert "colours [(9, 9, 9)] are not classes" in refused(root, mask, *out, capsys=capsys)
    same = root / "prepare/label_maps/test_00.png"
    assert "nothing was edited" in refused(root, same, *out, capsys=capsys)
    assert not (tmp_path / "out.png").exists()


def test_wrong_arguments_are_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = root / "edited.png"
    told = refused(root, mask, "-o", str(tmp_path / "out.jpg"), capsys=capsys, code=2)
    assert re.search(r"out\.jpg: found '\.jpg'.*\.png", told)
    assert "the following arguments are required" in refused(root, mask, capsys=capsys, code=2)
    told = refused(root, mask, "-o", str(tmp_path / "a.png"), "--gan", str(tmp_path), capsys=capsys)
    assert "gan.json" in told
