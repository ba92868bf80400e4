"""Scores of real files by models that know colours; the numbers follow from the colours."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ocrnet.data.decode import read_label_map, write_label_map
from ocrnet.errors import DataError
from ocrnet.evaluation.scored_split import TestSplit, read_test_split
from ocrnet.evaluation.scoring import Cell, score_model
from ocrnet.metrics import miou
from ocrnet.report import render_report
from tests.ocrnet.evaluation.evaluated import (
    PALETTE,
    ColourSegmenter,
    params_of,
    read,
    run,
    write_world,
)
from tests.ocrnet.report.test_report import Page


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    write_world(root)
    run(root, params_of())
    return root


def test_a_split_of_few_groups_has_no_interval(tmp_path: Path) -> None:
    """Frames of one drive are alike; resampling them one by one pretends to more evidence than there is."""
    write_world(tmp_path)
    path = tmp_path / "prepare" / "manifest.csv"
    table = pd.read_csv(path, keep_default_na=False)
    for groups, told in ((["a", "b"], True), (None, False)):
        names = [groups[i % 2] for i in range(len(table))] if groups else list(table["id"])
        table.assign(group=names).to_csv(path, index=False)
        run(tmp_path, params_of())
        verdict = (tmp_path / "evaluate/verdict.txt").read_text()
        assert ("2 groups are too few for an interval: 6 are needed" in verdict) == told
        assert ("are from 2 groups" in verdict) == told
        assert read(tmp_path, "challenger.json")["helps"] is not told


def test_the_scores_name_the_test_split_by_what_they_rest_on_alone(
    world: Path,
) -> None:
    split = read_test_split(world / "prepare")
    assert read(world, "scores.json")["test_sha256"] == split.sha256

    def changed(**columns: str) -> str:
        rows = split.table.assign(**columns)
        return replace(split, table=rows).sha256

    assert changed(image="elsewhere.png") == split.sha256
    for column in ("image_sha256", "label_map_sha256", "group"):
        assert changed(**{column: "other"}) != split.sha256
    assert replace(split, table=split.table.iloc[1:]).sha256 != split.sha256
    assert replace(split, train_shares=(1.0, 0.0, 0.0)).sha256 == split.sha256
    names = ("ground", "dent", "stain")
    assert replace(split, classes=replace(split.classes, class_names=names)).sha256 != split.sha256


def test_the_saved_confusions_repeat_every_score(world: Path) -> None:
    metrics = read(world, "metrics.json")
    with np.load(world / "evaluate/confusions.npz", allow_pickle=False) as saved:
        counts = saved["confusion.gan-0"]
        assert saved["ids"].tolist() == [f"test_{i}" for i in range(8)]
        baseline = saved["confusion.train-0"]
    assert counts.sum() == 8 * 24 * 32
    assert metrics["test/gan-0/mIoU"] == pytest.approx(miou(counts.sum(0)))
    gain = miou(counts.sum(0)) - miou(baseline.sum(0))
    assert metrics["test/delta/gan/mIoU"] == pytest.approx(gain)
    rows = pd.read_csv(world / "evaluate/per_image.csv")
    mine = rows[rows["model"] == "gan-0"]
    assert mine["miou"].tolist() == pytest.approx([miou(one) for one in counts])
    assert (mine["pixels"] == 24 * 32).all()


def test_the_arm_that_learned_the_colour_is_the_challenger(world: Path) -> None:
    challenger = read(world, "challenger.json")
    assert challenger["stage"] == "retrain@gan-0"
    assert challenger["folder"] == (world / "retrain/gan-0").as_posix()
    assert challenger["helps"] is True
    sha256 = ColourSegmenter(world / "retrain/gan-0").weights_sha256
    assert challenger["weights_sha256"] == sha256
    verdict = (world / "evaluate/verdict.txt").read_text()
    assert verdict.count("\n") == 2
    assert challenger["verdict"] == verdict.strip()
    answer, reasons = verdict.splitlines()
    assert re.fullmatch(
        r"The GAN pairs help in one training of each arm: \+\S+ \[\+\S+, \+\S+\] points of mIoU "
        r"against real images only, the only arm without a GAN; "
        r"the challenger is retrain@gan-0\.",
        answer,
    )
    assert reasons.startswith("On 8 test images the mIoU")
    assert "the mIoU over 3 of 3 classes is" in verdict
    assert "Rare classes (less than 10 % of the training pixels), IoU: dent " in verdict
    assert "paired bootstrap over 8 images, 200 resamples" in verdict


def test_the_gallery_shows_predictions_of_both_models(world: Path) -> None:
    shown = pd.read_csv(world / "evaluate/gallery.csv")
    assert shown["why"].tolist() == ["worst", "worst", "changed", "changed"]
    assert shown["id"].is_unique
    rows = pd.read_csv(world / "evaluate/per_image.csv")
    mine = rows[rows["model"] == "gan-0"].set_index("id")["miou"]
    assert shown["retrained"][:2].tolist() == sorted(mine)[:2]
    for name in shown["id"]:
        assert (world / f"evaluate/gallery/train-0/{name}.png").exists()
        assert (world / f"evaluate/gallery/gan-0/{name}.png").exists()


def test_tables_for_dvc_plots(world: Path) -> None:
    folder = world / "evaluate/plots"
    confusion = pd.read_csv(folder / "confusion.csv")
    assert list(confusion.columns) == ["actual", "predicted"]
    assert (confusion.groupby("actual").size() == 100).all()
    iou = pd.read_csv(folder / "iou.csv").set_index(["model", "class"])["iou"].to_dict()
    assert iou["gan-0", "dent"] > iou["train-0", "dent"]
    assert pd.read_csv(folder / "reliability.csv").groupby("model")["share"].sum().tolist() == (
        pytest.approx([1, 1])
    )


def test_running_twice_gives_the_same_bytes(world: Path, tmp_path: Path) -> None:
    write_world(tmp_path)
    run(tmp_path, params_of())
    files = sorted(path for path in (world / "evaluate").rglob("*") if path.is_file())
    assert len(files) > 15
    for path in files:
        if path.name == "challenger.json":
            continue  # names its folder, which is not the same here
        again = tmp_path / "evaluate" / path.relative_to(world / "evaluate")
        assert path.read_bytes() == again.read_bytes(), path.name


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    write_world(tmp_path)
    (tmp_path / "train/0/val_scores.json").unlink()
    with pytest.raises(
        DataError, match=r"train/0/val_scores.json: the file is missing. Run `dvc repro`"
    ):
        run(tmp_path, params_of())


def test_a_model_of_other_classes_is_refused(tmp_path: Path) -> None:
    write_world(tmp_path)
    path = tmp_path / "retrain/gan-0/colours.json"
    path.write_text(path.read_text().replace("rust", "crack"))
    with pytest.raises(DataError, match=r"retrain@gan-0: the model has the classes .*'crack'"):
        run(tmp_path, params_of())


def test_a_set_without_test_images_is_refused(tmp_path: Path) -> None:
    write_world(tmp_path, test=0)
    with pytest.raises(DataError, match="the test split has no image"):
        read_test_split(tmp_path / "prepare")


def test_an_image_left_out_is_noticed(world: Path) -> None:
    split = read_test_split(world / "prepare")
    ids = split.table["id"]
    shorter = ShortSplit(split.folder, split.table, split.classes, split.train_shares)
    with pytest.raises(
        DataError, match=f"E112 train@0: evaluated 7 images, but the split has {len(ids)}"
    ):
        score_model(
            Cell("train", 0),
            ColourSegmenter(world / "train/0"),
            split=shorter,
            val_miou=0.5,
            boundary_ratio=0.02,
        )


class ShortSplit(TestSplit):
    """A split whose last image is not read."""

    def images(
        self, rows: Iterable[int] | None = None
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        return islice(super().images(rows), len(self) - 1)


def test_classes_without_a_true_pixel_are_left_out_and_told(tmp_path: Path) -> None:
    write_world(tmp_path)
    table = pd.read_csv(tmp_path / "prepare/manifest.csv")
    for path in table["label_map"]:
        ids = read_label_map(tmp_path / "prepare" / path)
        ids[ids == 2] = 255
        write_label_map(tmp_path / "prepare" / path, ids, palette=PALETTE, ignore_index=255)
    metrics = run(tmp_path, params_of())
    assert "mIoU over 2 of 3 classes" in str(read(tmp_path, "challenger.json")["verdict"])
    assert "test/gan-0/IoU/rust" not in metrics
    mean = (metrics["test/gan-0/IoU/ground"] + metrics["test/gan-0/IoU/dent"]) / 2
    assert metrics["test/gan-0/mIoU"] == pytest.approx(mean)


def test_the_protocol_stands_with_the_scores(world: Path, tmp_path: Path) -> None:
    assert read(world, "scores.json")["protocol"] == {
        "words": "whole image", "window": None, "overlap": 0.33, "scales": [1.0], "flip": False,
        "merge": "softmax_mean", "window_weights": "uniform",
    }  # fmt: skip
    assert "Protocol of the test scores: whole image." in Page(render_report(world)).text
    write_world(tmp_path)
    far = {"window": [20, 30], "scales": [0.75, 1.0], "flip": True, "merge": "logit_mean"}
    run(tmp_path, params_of(evaluate={"bootstrap": 200, "worst": 2, **far}))
    words = "sliding window of 20 x 30, overlap 0.33; scales 0.75, 1; flip; merged by logit_mean."
    assert words in Page(render_report(tmp_path)).text
