"""The demo set is the same everywhere, unbalanced as meant, and labelled as drawn."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ocrnet.config import Params
from ocrnet.errors import ParamsError
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem, find_items
from ocrnet.raw.sources.demo import CLASS_NAMES, planned_defects, render
from tests.base_params import params_with

SIZE = (96, 128)
BLUR_REACH = 3  # pixels: the camera's kernel is cut at four deviations, of 0.75 at most


def draw(params: Params, work: Path) -> list[RawItem]:
    return find_items(params, work, Inventory(Path(params.data.path)))


def params(**demo: int) -> Params:
    data = {"source": "demo", "path": "data/raw/demo", "classes": list(CLASS_NAMES)}
    return params_with({"data": data, "demo": {"train": 3, "val": 1, "test": 1, **demo}})


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.png")}


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        draw(params(seed=seed), tmp_path / name)
    first, second, other = (files(tmp_path / name) for name in "abc")
    assert len(first) == 10
    assert first == second
    assert not set(first.values()) & {v for k, v in other.items() if k.startswith("images")}


def test_more_images_change_none_that_were_there(tmp_path: Path) -> None:
    draw(params(), tmp_path / "few")
    draw(params(train=5, val=2), tmp_path / "more")
    few, more = files(tmp_path / "few"), files(tmp_path / "more")
    assert len(more) == len(few) + 6
    assert few.items() <= more.items()


def test_items_carry_the_published_split_and_readable_files(tmp_path: Path) -> None:
    items = draw(params(), tmp_path)
    assert [item.split for item in items] == ["train", "train", "train", "val", "test"]
    assert len({item.group for item in items}) == len(items)
    for item in items:
        assert item.label_map is not None
        with Image.open(item.image) as image, Image.open(item.label_map) as label_map:
            assert (image.mode, image.size, label_map.size) == ("RGB", SIZE[::-1], SIZE[::-1])


def test_classes_are_as_unbalanced_as_intended() -> None:
    """Of 8 images: 5 scratched, 4 pitted, 4 stained, 1 cracked; cracks below half a percent of the pixels."""
    plans = [planned_defects(0, "train", index) for index in range(48)]
    counts = {name: sum(name in plan for plan in plans) for name in CLASS_NAMES[1:]}
    assert counts == {"scratch": 30, "pit": 24, "stain": 24, "crack": 6}

    label_maps = np.stack([render(0, "train", index, size=SIZE)[1] for index in range(48)])
    share = dict(
        zip(
            CLASS_NAMES, np.bincount(label_maps.ravel(), minlength=5) / label_maps.size, strict=True
        )
    )
    assert 0 < share["crack"] < 0.005
    assert share["crack"] < share["pit"] < 0.02
    assert share["crack"] < share["scratch"] < 0.02
    assert 0.02 < share["stain"] < 0.1
    assert share["plate"] > 0.85


@pytest.mark.parametrize("index", range(12))
def test_the_label_map_is_the_drawn_geometry(index: int) -> None:
    image, label_map = render(0, "train", index, size=SIZE)
    clean, empty = render(0, "train", index, size=SIZE, defects=False)
    changed = (image != clean).any(axis=-1)
    labelled = label_map > 0
    assert not empty.any()
    # The camera may bleed a defect by its blur, but nothing unlabelled is changed beyond that.
    near = ndimage.binary_dilation(labelled, np.ones((3, 3), dtype=np.bool_), iterations=BLUR_REACH)
    assert not (changed & ~near).any()
    for class_id in np.unique(label_map[labelled]).tolist():
        # A few pixels of a faint stain's border, or of a saturated reflection, round to what they were.
        assert changed[label_map == class_id].mean() > 0.9, CLASS_NAMES[class_id]


def test_what_is_planned_is_drawn() -> None:
    for index in range(16):
        _, label_map = render(0, "val", index, size=SIZE)
        drawn = {CLASS_NAMES[i] for i in np.unique(label_map).tolist()} - {"plate"}
        assert drawn <= planned_defects(0, "val", index)


def test_a_larger_image_shows_defects_of_the_same_relative_size() -> None:
    small, large = (
        np.concatenate([render(0, "train", i, size=(s, s))[1].ravel() for i in range(8)])
        for s in (96, 192)
    )
    for class_id in (1, 2):
        ratio = (large == class_id).mean() / (small == class_id).mean()
        assert ratio == pytest.approx(1.0, abs=0.25)


def test_other_classes_are_refused_with_the_cure(tmp_path: Path) -> None:
    data = {"source": "demo", "path": "x", "classes": ["plate", "dent"]}
    with pytest.raises(ParamsError, match=r"data.classes: found \['plate', 'dent'\].*'crack'"):
        draw(params_with({"data": data}), tmp_path)
