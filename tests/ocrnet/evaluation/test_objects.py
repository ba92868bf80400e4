"""Objects through `evaluate`: scores, comparisons, files and the report."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ocrnet.data.instance_maps import read_instances, write_instances
from ocrnet.errors import DataError
from ocrnet.evaluation.arm_comparison import compare_arms, conclude
from ocrnet.evaluation.object_comparison import compare_objects_of_arms
from ocrnet.evaluation.object_metric import read_val_split
from ocrnet.evaluation.scored_split import read_test_split
from ocrnet.evaluation.scoring import Cell, ModelScores
from ocrnet.objects.curves import panoptic_quality, unit_counts
from ocrnet.objects.matching import compare_objects
from ocrnet.objects.object_map import components, predicted_components
from ocrnet.objects.overlay import overlay_objects
from ocrnet.objects.summary import ObjectTally
from ocrnet.report import render_report
from tests.ocrnet.evaluation.evaluated import (
    NAMES,
    ColourSegmenter,
    params_of,
    read,
    run,
    write_world,
)
from tests.ocrnet.evaluation.things import add_things, half_found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    write_world(root)
    add_things(root / "prepare")
    # Noise of single pixels is no object.
    run(root, params_of(evaluate={"bootstrap": 200, "worst": 2, "min_object_area": 6}))
    return root


def test_the_scores_of_each_model_have_its_objects(world: Path) -> None:
    scores: Any = read(world, "scores.json")
    assert scores["things"] == ["dent", "rust"]
    baseline, retrained = (model["objects"] for model in scores["models"])
    split = read_test_split(world / "prepare")
    true = sum(int(read_instances(world / "prepare" / path).max()) for path in split.table["instances"])  # fmt: skip
    assert sum(one["true"] for one in retrained["classes"]) == true
    assert retrained["classes"][0]["recall"] > 0.8
    assert retrained["pq"] > baseline["pq"]
    counts = baseline["sizes"]["small"]
    assert counts["found"] + counts["missed"] == true


def test_objects_are_metrics_with_intervals(world: Path) -> None:
    metrics: Any = read(world, "metrics.json")
    scores: Any = read(world, "scores.json")
    assert metrics["test/gan-0/AP50"] == scores["models"][1]["objects"]["ap50"]
    assert metrics["test/gan-0/objects_missed/small"] == float(
        scores["models"][1]["objects"]["sizes"]["small"]["missed"]
    )
    gain = scores["models"][1]["objects"]["pq"] - scores["models"][0]["objects"]["pq"]
    assert metrics["test/delta/gan/PQ"] == pytest.approx(gain)
    assert 0 < metrics["test/delta/gan/PQ/low"] < gain < metrics["test/delta/gan/PQ/high"]
    challenger: Any = read(world, "challenger.json")
    assert challenger["metrics"]["test/AP50"] == metrics["test/gan-0/AP50"]


def test_each_image_has_its_numbers_of_objects(world: Path) -> None:
    table = pd.read_csv(world / "evaluate/per_image.csv")
    mine = table[table["model"] == "gan-0"]
    assert ((mine["found"] + mine["missed"]) == mine["objects"]).all()
    scores: Any = read(world, "scores.json")
    sizes = scores["models"][1]["objects"]["sizes"]
    assert mine["false"].sum() == sum(one["false"] for one in sizes.values())


def test_the_report_shows_objects_and_their_worst_images(world: Path) -> None:
    page = render_report(world)
    assert 'id="objects"' in page
    shown = pd.read_csv(world / "evaluate/objects.csv")
    assert len(shown) <= 2
    for name in shown["id"]:
        assert f"truth of the objects of test image {name}" in page
        for model in ("train-0", "gan-0"):
            assert read_instances(world / "evaluate/objects" / model / f"{name}.png").shape == (
                24,
                32,
            )


@pytest.fixture(scope="module")
def asked_on_objects(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the world, evaluated with PQ as the score that decides."""
    root = tmp_path_factory.mktemp("asked") / "world"
    shutil.copytree(world, root)
    evaluate = {"metric": "pq", "bootstrap": 200, "worst": 2, "min_object_area": 6}
    data = {"source": "demo", "path": "x", "classes": list(NAMES), "things": ["dent", "rust"]}
    run(root, params_of(evaluate=evaluate, data=data))
    return root


def test_the_verdict_may_be_about_pq(asked_on_objects: Path) -> None:
    metrics: Any = read(asked_on_objects, "metrics.json")
    value, low, high = (metrics[f"test/delta/gan/PQ{end}"] for end in ("", "/low", "/high"))
    answer = (asked_on_objects / "evaluate/verdict.txt").read_text()
    gain = f"{100 * value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
    assert f"{gain} points of PQ against" in answer
    assert "8 test images the PQ of the objects of dent, rust is" in answer
    scores: Any = read(asked_on_objects, "scores.json")
    assert scores["metric"] == "pq"
    assert scores["metric_scores"]["gan"] == pytest.approx(scores["models"][1]["objects"]["pq"])
    assert scores["against_baseline"]["gan"]["of_objects"]["low"] == low


def test_validation_objects_choose_the_model(asked_on_objects: Path) -> None:
    """Recomputed here: PQ by the definition, of the components of each validation image."""
    split = read_test_split(asked_on_objects / "prepare", split="val")
    model = ColourSegmenter(asked_on_objects / "retrain/gan-0")
    images = []
    for image, truth in split.images():
        found = predicted_components(model.probabilities(image), (1, 2), min_area=6)
        ignored = np.zeros(truth.shape, np.bool_)
        images.append(
            compare_objects(found, components(truth, (1, 2)), ignored=ignored, things=(1, 2))
        )
    wanted = panoptic_quality(unit_counts(images), np.ones((1, len(images)))).mean()
    metrics: Any = read(asked_on_objects, "metrics.json")
    assert metrics["test/gan-0/val_PQ"] == pytest.approx(wanted)
    challenger: Any = read(asked_on_objects, "challenger.json")
    assert challenger["metrics"]["val/PQ"] == metrics["test/gan-0/val_PQ"]
    assert challenger["metrics"]["val/AP50"] == metrics["test/gan-0/val_AP50"]


def test_the_report_is_about_the_score_that_decides(world: Path, asked_on_objects: Path) -> None:
    page, plain = render_report(asked_on_objects), render_report(world)
    for words in ("Baseline PQ", "validation PQ", "chosen by validation PQ", "verdict is about PQ"):
        assert words in page
        assert words not in plain
    assert "Baseline mIoU" in plain
    metrics: Any = read(asked_on_objects, "metrics.json")
    assert f"{100 * metrics['test/delta/gan/PQ']:+.1f} points</dd>" in page


def test_another_question_changes_no_other_file(world: Path, asked_on_objects: Path) -> None:
    """The scores of the test images are the same; only what decides is not."""
    for name in ("per_image.csv", "objects.csv", "gallery.csv", "confusions.npz"):
        one, other = (root / "evaluate" / name for root in (world, asked_on_objects))
        assert one.read_bytes() == other.read_bytes()
    before: Any = read(world, "metrics.json")
    after: Any = read(asked_on_objects, "metrics.json")
    assert before.items() <= after.items()
    plain: Any = read(world, "scores.json")
    assert "metric" not in plain
    assert "of_objects" not in json.dumps(plain)


def test_a_split_without_objects_cannot_be_asked(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "prepare", tmp_path / "prepare")
    for path in (tmp_path / "prepare/instances").glob("val_*"):
        write_instances(path, np.zeros((24, 32), np.uint16))
    test = read_test_split(tmp_path / "prepare")
    data = {"source": "demo", "path": "x", "classes": list(NAMES), "things": ["dent", "rust"]}
    asked = params_of(evaluate={"metric": "ap50"}, data=data).evaluate
    with pytest.raises(DataError, match="the val split shows no object of dent, rust, so"):
        read_val_split(tmp_path / "prepare", test, asked)
    assert read_val_split(tmp_path / "prepare", test, params_of().evaluate) is None


def test_the_arm_with_the_better_objects_wins_though_its_miou_is_lower() -> None:
    params = params_of(evaluate={"bootstrap": 400}).evaluate
    asked = params.model_copy(update={"metric": "pq"})
    good, bad = np.array([[90, 10], [10, 90]]), np.array([[80, 20], [20, 80]])
    stacks = {"train": np.stack([good] * 20)[None], "gan": np.stack([bad] * 20)[None]}
    objects = {"train": [unit_counts(half_found(20, 8))], "gan": [unit_counts(half_found(20, 18))]}
    val = {"train": {0: 0.5}, "gan": {0: 0.6}}
    groups = [str(i) for i in range(20)]
    by_miou = compare_arms(stacks, val, groups=groups, params=params)
    by_pq = compare_arms(stacks, val, groups=groups, params=asked, objects=objects)
    assert (by_miou.helps, by_miou.best_non_gan) == (False, "train")
    assert (by_pq.helps, by_pq.challenger.arm, by_pq.word) == (True, "gan", "PQ")
    # PQ of f of 20: f / (f + (20 - f) / 2); the IoU of both classes: 80 / 120 against 90 / 110.
    assert by_pq.metric_scores["gan"] == pytest.approx(18 / 19)
    found = by_pq.against_baseline["gan"]
    assert found.deciding.value == pytest.approx(18 / 19 - 8 / 14)
    assert found.miou.value == pytest.approx(80 / 120 - 90 / 110)
    assert found.miou.high < 0 < found.deciding.low


def test_a_gan_is_held_against_an_arm_of_the_same_files_by_its_objects_too(world: Path) -> None:
    """The arm with unlabelled images is the best without a GAN, but GAN pairs use none: their rival is the baseline."""
    split = read_test_split(world / "prepare")
    params = params_of(evaluate={"bootstrap": 200}).evaluate.model_copy(update={"metric": "pq"})
    scores = [
        ModelScores(
            np.stack([np.diag([90, 10, 10])] * 8), np.zeros((3, 2), np.int64), np.zeros((3, 15)), (),
            Cell(arm, 0), arm, 0.5,
            objects=ObjectTally(tuple(half_found(8, found))), val_objects={"pq": 0.1 * found, "ap50": 0.0},
        )
        for arm, found in (("train", 2), ("gan", 4), ("mean_teacher", 6))
    ]  # fmt: skip
    result = conclude(scores, split, params)
    assert (result.best_non_gan, result.rivals) == ("mean_teacher", {"gan": "train"})
    assert result.challenger.arm == "mean_teacher"
    found = compare_objects_of_arms(scores, result, split, params)
    assert found is not None
    held = found["against_best_non_gan"]
    # PQ of f of 8: f / (f + (8 - f) / 2).
    assert held["gan"]["pq"]["value"] == pytest.approx(4 / 6 - 2 / 5)
    assert held["gan"]["pq"]["low"] == result.against_best_non_gan["gan"].deciding.low
    assert held["train"]["pq"]["value"] == pytest.approx(2 / 5 - 6 / 7)
    assert "mean_teacher" not in held


def test_without_things_nothing_of_it_is_written(tmp_path: Path) -> None:
    write_world(tmp_path)
    metrics = run(tmp_path, params_of())
    text = json.dumps(read(tmp_path, "scores.json")) + json.dumps(metrics)
    assert "AP50" not in text
    assert '"objects"' not in text
    assert not (tmp_path / "evaluate/objects.csv").exists()
    assert "missed" not in (tmp_path / "evaluate/per_image.csv").read_text()
    assert 'id="objects"' not in render_report(tmp_path)


def test_the_name_of_a_test_split_has_its_objects(world: Path, tmp_path: Path) -> None:
    split = read_test_split(world / "prepare")
    other = split.table.assign(instances_sha256="other")
    changed = type(split)(split.folder, other, split.classes, split.train_shares, split.things)
    bare = type(split)(split.folder, split.table, split.classes, split.train_shares)
    assert len({split.sha256, changed.sha256, bare.sha256}) == 3


def test_each_object_has_a_colour_of_its_own() -> None:
    numbers = np.zeros((5, 9), np.uint16)
    numbers[1:4, 1:4], numbers[1:4, 4:8] = 1, 2  # they touch
    shown = overlay_objects(np.full((5, 9, 3), 100, np.uint8), numbers)
    assert (shown[numbers == 0] == 100).all()
    assert shown[2, 2].tolist() != shown[2, 6].tolist()
    assert shown[1, 3].tolist() != shown[1, 4].tolist()
