"""What later stages would refuse in the prepared files is told right after they are written."""

from pathlib import Path

import numpy as np
import pytest

from ocrnet.config import Params
from ocrnet.data.decode import read_label_map, write_label_map
from ocrnet.data.instance_maps import write_instances
from ocrnet.data.manifest import count_pixels, read_manifest, write_manifest
from ocrnet.errors import DataError, ParamsError
from ocrnet.preflight.later_stages import check_outlook
from ocrnet.preflight.sizes import check_crops, seen_sizes
from tests.base_params import params_with
from tests.ocrnet.conftest import CLASSES, write_toy_set
from tests.ocrnet.evaluation.things import add_things

DATA = {"source": "folder", "path": "raw", "classes": list(CLASSES.class_names)}


def params_of(**sections: object) -> Params:
    return params_with({"data": DATA, **sections})


def relabel(folder: Path, split: str, label: int | None, *, rows: int | None = None) -> None:
    """Put one label into the first rows of the label maps of a split; None: surfaces, one above the other."""
    table = read_manifest(folder)
    for index in table.index[table["split"] == split]:
        path = folder / str(table.loc[index, "label_map"])
        label_map = read_label_map(path)
        if label is None:
            label_map[:] = 0
            label_map[len(label_map) // 2 :] = 1
        else:
            label_map[:rows] = label
        write_label_map(path, label_map, palette=CLASSES.palette, ignore_index=CLASSES.ignore_index)
        counts = count_pixels(label_map, CLASSES.class_names, ignore_index=CLASSES.ignore_index)
        for name, count in counts.items():
            table.loc[index, name] = count
    write_manifest(folder, table)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_toy_set(tmp_path / "prepare", counts={"train": 4, "val": 2, "test": 2})


def test_a_set_with_objects_and_labels_passes(folder: Path) -> None:
    check_outlook(folder, params_of())


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_without_objects_is_told_if_a_score_of_objects_is_asked_for(
    folder: Path, split: str
) -> None:
    add_things(folder, CLASSES.class_names[1:])
    names = [*CLASSES.class_names[1:]]
    asked = params_with({"data": {**DATA, "things": names}, "evaluate": {"metric": "pq"}})
    check_outlook(folder, asked)
    for name in read_manifest(folder, split=split)["instances"]:
        write_instances(folder / name, np.zeros((64, 80), np.uint16))
    with pytest.raises(DataError, match=f"^E134 split {split}: no image shows an object of square"):
        check_outlook(folder, asked)
    check_outlook(folder, params_with({"data": {**DATA, "things": names}}))


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_split_without_a_labelled_pixel_is_told_by_its_name(folder: Path, split: str) -> None:
    relabel(folder, split, CLASSES.ignore_index)
    with pytest.raises(DataError, match=f"E131 split {split}: ") as caught:
        check_outlook(folder, params_of())
    assert len(str(caught.value).splitlines()) == 1


def test_more_folds_than_groups_are_told(folder: Path) -> None:
    groups = read_manifest(folder, split="train")["group"].nunique()
    check_outlook(folder, params_of(folds=list(range(1, groups + 1))))
    with pytest.raises(DataError, match=f"^E135 split train: its images are of {groups} groups"):
        check_outlook(folder, params_of(folds=list(range(1, groups + 2))))


def test_too_few_labelled_pixels_to_calibrate_by_are_told(folder: Path) -> None:
    relabel(folder, "val", CLASSES.ignore_index, rows=62)  # of 64; the last two are ignored anyway
    table = read_manifest(folder, split="val")
    path = folder / str(table.loc[0, "label_map"])
    label_map = read_label_map(path)
    label_map[0, :50] = 0
    write_label_map(path, label_map, palette=CLASSES.palette, ignore_index=CLASSES.ignore_index)
    whole = read_manifest(folder)
    whole.loc[whole["id"] == table.loc[0, "id"], "px_floor"] = 50
    write_manifest(folder, whole)
    with pytest.raises(DataError, match=r"E132 split val: no class has 200 .*\[50, 0, 0\]"):
        check_outlook(folder, params_of())
    check_outlook(folder, params_of(select={"calibrate_on": "train"}))


def test_operations_that_move_objects_are_refused_where_there_are_none(folder: Path) -> None:
    relabel(folder, "train", None)
    odds = {"train": 1.0, "flip": 1.0}
    moving = {**odds, "copy_paste": 2.0, "warp": 0.0}
    with pytest.raises(ParamsError, match=r"synthesize\.operations: E133 copy_paste move things"):
        check_outlook(folder, params_of(synthesize={"operations": moving}))
    check_outlook(folder, params_of(synthesize={"operations": odds}))


@pytest.mark.parametrize(
    ("crop", "refused"), [((32, 32), False), ((64, 64), False), ((200, 200), True)]
)
def test_a_crop_that_no_image_fills_is_refused(crop: tuple[int, int], refused: bool) -> None:
    sizes = [(32, 32), (32, 24)]
    for sections, key in (
        ({"data": {**DATA, "crop_size": list(crop)}}, "data.crop_size"),
        ({"train_gan": {"crop_size": list(crop)}, "data": {**DATA, "crop_size": [32, 32]}}, "train_gan.crop_size"),
    ):  # fmt: skip
        params = params_with(sections)
        if refused:
            with pytest.raises(ParamsError, match=rf"{key}: .*\[32, 32\]"):
                check_crops(params, sizes)
        else:
            check_crops(params, sizes)


def test_what_is_seen_is_what_prepare_makes() -> None:
    assert seen_sizes(params_of(), [(32, 24), (32, 32), (32, 24)]) == [(32, 24), (32, 32)]
    assert seen_sizes(params_of(prepare={"resize": [48, 64]}), [(32, 24)]) == [(48, 64)]
