"""Predicted objects as rows, and in the folder of the outputs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ocrnet.bundles.card import ModelCard
from ocrnet.data.csv_tables import read_csv_table
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import DataError
from ocrnet.inference.predict import Segmenter
from ocrnet.objects.object_map import ObjectMap
from ocrnet.predict_files.jobs import Kinds
from ocrnet.predict_files.object_pictures import count_words, numbers_of
from ocrnet.predict_files.objects import count_table, list_objects, object_table
from ocrnet.predict_files.outputs import Outputs
from ocrnet.predict_files.predict_sources import predict_sources, settings_of
from ocrnet.predict_files.predictor import Predictor
from ocrnet.predict_files.sources import find_sources
from ocrnet.raw.annotations.rasterize import Region, Runs, covered_by
from tests.ocrnet.toy_models import COLOURS, ColourNet

OBJECTS = Kinds(objects=True)
THING = COLOURS.class_names[1]


def predictor(*things: str) -> Predictor:
    card = ModelCard("ocrnet", {}, COLOURS, mean=(0.0,) * 3, std=(1.0,) * 3, things=things)
    return Predictor(Segmenter(ColourNet(), card), name="toy")


def pictured(folder: Path) -> Path:
    """Write an image with noise, in which pixels of the thing class form objects."""
    path = folder / "part.png"
    pixels = np.random.default_rng(3).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((200, 160), Image.Resampling.NEAREST).save(path)
    return path


def test_rows_of_two_objects_by_hand() -> None:
    numbers = np.array([[0, 1, 1, 0], [2, 0, 1, 0]], np.int32)
    found = ObjectMap(numbers, np.array([1, 2]), np.array([0.25, 0.75]))
    table = ClassTable(("plate", "pit", "crack"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    first, second = listed = list_objects(found, table)
    assert (first.class_name, first.score, first.box, first.area) == (
        "crack",
        0.75,
        (0, 1, 1, 1),
        1,
    )
    assert (second.class_name, second.score, second.box, second.area) == ("pit", 0.25, (1, 0, 2, 2), 3)  # fmt: skip
    rows = object_table([("a.png", listed), ("b.png", [])])
    assert rows.iloc[1].tolist() == ["a.png", 2, "pit", 0.25, 1, 0, 2, 2, 3]
    counts = count_table([("a.png", listed), ("b.png", [])], ["pit", "crack"])
    assert counts["count_pit"].tolist() == [1, 0]
    assert counts["largest_area_crack"].tolist() == [1, 0]
    assert counts["mean_area_pit"].tolist() == [3.0, 0.0]


def test_the_files_hold_the_components_of_the_label_map(tmp_path: Path) -> None:
    model, path = predictor(THING), pictured(tmp_path)
    label_map = model.predict(path)
    parts, count = ndimage.label(label_map == 1, np.ones((3, 3), bool))
    assert count > 3
    out = tmp_path / "out"
    outputs = Outputs(out, model.classes, settings_of(model))
    (outcome,) = predict_sources(model, find_sources([str(path)], out=out), outputs, kinds=OBJECTS)
    assert outcome.state == "predicted"
    outputs.write_object_tables([THING])
    outputs.write_coco([THING])
    rows = read_csv_table(out / "objects.csv", text=("image", "class"))
    assert sorted(rows["area"].astype(int)) == sorted(np.bincount(parts.ravel())[1:].tolist())
    assert rows["score"].is_monotonic_decreasing
    counts = read_csv_table(out / "counts.csv", text=("image",))
    assert counts[f"count_{THING}"].tolist() == [count]
    content: Any = json.loads((out / "coco.json").read_text())
    objects = [one for one in content["annotations"] if one["category_id"] == 2]
    assert len(objects) == count
    covered = np.zeros(label_map.shape, int)
    for one in objects:
        runs = Runs(one["segmentation"]["counts"], tuple(one["segmentation"]["size"]))
        covered += covered_by(Region("", runs=runs), label_map.shape)
        assert (one["iscrowd"], 0 < one["score"] <= 1) == (0, True)
    np.testing.assert_array_equal(covered, label_map == 1)
    # The other classes stay one annotation an image.
    others = [one["category_id"] for one in content["annotations"] if one["category_id"] != 2]
    assert len(others) == len(set(others))


def test_an_overlay_has_a_colour_for_each_object_and_their_number(tmp_path: Path) -> None:
    """Below the line of counts: half image and half colour inside an object, as without objects elsewhere."""
    model, path = predictor(THING), pictured(tmp_path)
    shown = {}
    for objects in (False, True):
        out = tmp_path / f"out{objects}"
        outputs = Outputs(out, model.classes, settings_of(model))
        kinds = Kinds(overlays=True, objects=objects)
        list(predict_sources(model, find_sources([str(path)], out=out), outputs, kinds=kinds))
        shown[objects] = np.asarray(Image.open(out / "overlays" / "part.png")).astype(int)
    is_thing = model.predict(path) == 1
    below = np.indices(is_thing.shape)[0] > 20
    np.testing.assert_array_equal(shown[True][below & ~is_thing], shown[False][below & ~is_thing])
    image = np.asarray(Image.open(path)).astype(int)
    numbers = numbers_of(model.objects(path), is_thing.shape)
    colours = set()
    for number in range(1, int(numbers.max()) + 1):
        inside = ndimage.binary_erosion(numbers == number, np.ones((3, 3), bool)) & below
        doubled = 2 * shown[True][inside] - image[inside]
        if inside.any():
            assert (np.ptp(doubled, axis=0) <= 1).all()
            colours.add(tuple(doubled.max(axis=0).tolist()))
    assert len(colours) > 3
    assert len(colours) == len(
        {n for n in numbers[below & ndimage.binary_erosion(is_thing, np.ones((3, 3), bool))]}
    )
    words = count_words(model.objects(path), [THING])
    assert words == f"{numbers.max()} {THING}"
    assert (shown[True][:14, :8] == 0).all(axis=-1).any()


def test_what_is_done_is_done_with_its_objects(tmp_path: Path) -> None:
    model, path = predictor(THING), pictured(tmp_path)
    out = tmp_path / "out"
    states = []
    for kinds in (Kinds(), OBJECTS, OBJECTS):
        outputs = Outputs(out, model.classes, settings_of(model))
        sources = find_sources([str(path)], out=out)
        states += [one.state for one in predict_sources(model, sources, outputs, kinds=kinds)]
    assert states == ["predicted", "predicted", "done"]


def test_objects_have_the_least_area_that_is_asked_for(tmp_path: Path) -> None:
    model, path = predictor(THING), pictured(tmp_path)
    areas = [one.area for one in model.objects(path)]
    least = sorted(areas)[len(areas) // 2] + 1
    assert sorted(one.area for one in model.objects(path, min_area=least)) == sorted(
        area for area in areas if area >= least
    )


def test_a_model_without_things_has_no_objects(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"toy: the model has no thing classes\. Train it with data"
    ):
        predictor().objects(pictured(tmp_path))
