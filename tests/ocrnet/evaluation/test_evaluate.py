"""Scores of real files by models that know colours; the numbers follow from the colours."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ocrnet.config import Params
from ocrnet.data.decode import read_label_map, write_label_map
from ocrnet.errors import DataError
from ocrnet.evaluation.evaluate import evaluate
from ocrnet.evaluation.scoring import Cell, TestSplit, cells_of, read_test_split, score_model
from ocrnet.metrics import miou
from ocrnet.record import Recorder
from ocrnet.report import render_report
from tests.ocrnet.evaluation.evaluated import (
    NAMES,
    PALETTE,
    ColourSegmenter,
    params_of,
    write_model,
    write_world,
)
from tests.ocrnet.report.test_report import Page


def run(root: Path, params: Params) -> dict[str, float]:
    out = root / "evaluate"
    recorder = Recorder(out)
    evaluate(root, out, params=params, load=ColourSegmenter, recorder=recorder)
    metrics: dict[str, float] = json.loads((out / "metrics.json").read_text())
    return metrics


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    write_world(root)
    run(root, params_of())
    return root


def read(root: Path, name: str) -> dict[str, object]:
    content: dict[str, object] = json.loads((root / "evaluate" / name).read_text())
    return content


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


def test_an_arm_that_is_no_better_leaves_the_baseline_as_challenger(tmp_path: Path) -> None:
    write_world(tmp_path)
    baseline = (tmp_path / "train/0/colours.json").read_bytes()
    (tmp_path / "retrain/gan-0/colours.json").write_bytes(baseline)
    metrics = run(tmp_path, params_of())
    assert metrics["test/delta/gan/mIoU/low"] == metrics["test/delta/gan/mIoU/high"] == 0
    challenger = read(tmp_path, "challenger.json")
    assert challenger["stage"] == "train@0"  # though its validation score is lower
    assert challenger["helps"] is False
    answer = str(challenger["verdict"]).splitlines()[0]
    assert answer == (
        "The GAN pairs are not shown to help: +0.0 [+0.0, +0.0] points of mIoU against real images only, "
        "the only arm without a GAN; the challenger is train@0."
    )


def test_the_best_arm_without_a_gan_is_the_one_to_beat(tmp_path: Path) -> None:
    write_world(tmp_path)
    write_model(tmp_path / "retrain/copy_paste-0", NAMES, dent=PALETTE[1], val_miou=0.9)
    run(tmp_path, params_of(retrain={"arms": ["gan", "copy_paste"]}))
    scores, challenger = read(tmp_path, "scores.json"), read(tmp_path, "challenger.json")
    assert scores["best_non_gan"] == "copy_paste"
    # gan beats the baseline but not that arm, which knows the same colours.
    assert challenger["stage"] == "retrain@copy_paste-0"
    told = str(challenger["verdict"])
    assert (
        "points of mIoU against selected copy-paste; the challenger is retrain@copy_paste-0."
        in told
    )
    assert "The best arm without a GAN on the test images is copy_paste" in told
    assert "the difference to it is +0.0 [+0.0, +0.0] points" in told
    against = scores["against_best_non_gan"]
    assert isinstance(against, dict)
    assert set(against) == {"train", "gan"}
    assert against["train"]["miou"]["high"] < 0


def test_the_arm_to_beat_is_the_best_on_the_test_images_whatever_validation_says(
    tmp_path: Path,
) -> None:
    """Copy-paste is the worst on the validation images and as good as the GAN on the test images."""
    write_world(tmp_path)
    write_model(tmp_path / "retrain/copy_paste-0", NAMES, dent=PALETTE[1], val_miou=0.1)
    run(tmp_path, params_of(retrain={"arms": ["gan", "copy_paste"]}))
    assert read(tmp_path, "scores.json")["best_non_gan"] == "copy_paste"
    challenger = read(tmp_path, "challenger.json")
    assert challenger["helps"] is False
    assert challenger["stage"] == "train@0"  # which of those without a GAN, validation says


def test_the_verdict_says_which_control_arms_were_not_run_and_that_one_gan_is_one(
    tmp_path: Path,
) -> None:
    write_world(tmp_path, seeds=(0, 1))
    run(tmp_path, params_of(seeds=[0, 1]))
    told = str(read(tmp_path, "challenger.json")["verdict"])
    assert "add copy_paste and real_twice to retrain.arms" in told
    assert "One GAN generated the pairs of all seeds" in told
    for seed in (0, 1):
        write_model(tmp_path / f"retrain/real_twice-{seed}", NAMES, dent=PALETTE[0], val_miou=0.1)
    run(tmp_path, params_of(seeds=[0, 1], retrain={"arms": ["gan", "real_twice"]}))
    told = str(read(tmp_path, "challenger.json")["verdict"])
    assert "to retrain.arms" not in told
    assert "only arm" not in told


def test_one_lucky_seed_does_not_help(tmp_path: Path) -> None:
    """The mean over seeds is well above the control arm's on every image, yet another training may not be."""
    write_world(tmp_path, seeds=(0, 1, 2))
    baseline = (tmp_path / "train/0/colours.json").read_bytes()
    for seed in (1, 2):
        (tmp_path / f"retrain/gan-{seed}/colours.json").write_bytes(baseline)
    metrics = run(tmp_path, params_of(seeds=[0, 1, 2]))
    assert metrics["test/delta/gan/mIoU"] > 0.005
    assert metrics["test/delta/gan/mIoU/low"] < 0
    assert read(tmp_path, "challenger.json")["helps"] is False


@pytest.mark.parametrize("test", [1, 5])
def test_too_few_test_images_say_nothing_anywhere(tmp_path: Path, test: int) -> None:
    write_world(tmp_path, test=test)
    metrics = run(tmp_path, params_of())
    challenger = read(tmp_path, "challenger.json")
    assert (challenger["stage"], challenger["helps"]) == ("train@0", False)
    answer, reasons = (tmp_path / "evaluate/verdict.txt").read_text().splitlines()
    assert "It is unknown whether the GAN pairs help" in answer
    for line in (answer, reasons):
        assert "too few for an interval: 6 are needed" in line
    assert metrics["test/delta/gan/mIoU"] > 0
    assert not [name for name in metrics if name.endswith(("/low", "/high"))]
    against = read(tmp_path, "scores.json")["against_baseline"]
    assert isinstance(against, dict)
    assert against["gan"]["miou"]["low"] is None
    page = Page(render_report(tmp_path)).text
    assert "[too few images]" in page
    assert "too few for an interval: 6 are needed" in page
    assert not re.search(r"\bnan\b", page)


def test_one_training_counted_twice_is_one_seed(tmp_path: Path) -> None:
    write_world(tmp_path, seeds=(0, 1))
    for arm in ("train/{}", "retrain/gan-{}"):
        first = (tmp_path / arm.format(0) / "colours.json").read_bytes()
        (tmp_path / arm.format(1) / "colours.json").write_bytes(first)
    run(tmp_path, params_of(seeds=[0, 1]))
    told = str(read(tmp_path, "challenger.json")["verdict"])
    assert "2 seeds" not in told
    assert "With one seed" in told


def test_seeds_are_paired_and_stale_folders_are_not_read(tmp_path: Path) -> None:
    write_world(tmp_path, seeds=(0, 3))
    stale = tmp_path / "retrain/gan-7"
    stale.mkdir()
    metrics = run(tmp_path, params_of(seeds=[0, 3]))
    assert [cell.stage for cell in cells_of(params_of(seeds=[0, 3]))] == [
        "train@0", "train@3", "retrain@gan-0", "retrain@gan-3",
    ]  # fmt: skip
    assert metrics["test/gan-0/mIoU"] == metrics["test/gan-3/mIoU"]
    told = str(read(tmp_path, "challenger.json")["verdict"])
    assert "mean of 2 seeds" in told
    assert "over 2 seeds and 8 images" in told
    assert "2 seeds are few to estimate the variation" in told
    assert not any("gan-7" in name for name in metrics)


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


def test_seeds_together_are_a_row_that_decides_nothing(tmp_path: Path) -> None:
    write_world(tmp_path, seeds=(0, 3))
    without = run(tmp_path, params_of(seeds=[0, 3]))
    before = read(tmp_path, "challenger.json"), read(tmp_path, "scores.json")
    evaluating = {"bootstrap": 200, "worst": 2, "rare_share": 0.1, "ensemble": True}
    metrics = run(tmp_path, params_of(seeds=[0, 3], evaluate=evaluating))
    scores = read(tmp_path, "scores.json")
    assert read(tmp_path, "challenger.json") == before[0]
    assert {**scores, "ensembles": []} == before[1]
    # Both seeds of this world are one model, and so is their mean.
    for arm in ("train", "gan"):
        assert metrics[f"test/{arm}-ensemble/mIoU"] == metrics[f"test/{arm}-0/mIoU"]
        assert f"test/{arm}-ensemble/val_mIoU" not in metrics
    assert {name: metrics[name] for name in without} == without
    assert [(row["model"], row["seeds"]) for row in list_of(scores, "ensembles")] == [
        ("train-ensemble", [0, 3]),
        ("gan-ensemble", [0, 3]),
    ]
    rows = pd.read_csv(tmp_path / "evaluate/per_image.csv")
    assert (rows["model"] == "gan-ensemble").sum() == 8
    assert "gan-ensemble" in Page(render_report(tmp_path)).text


def test_an_ensemble_is_not_the_mean_of_scores(tmp_path: Path) -> None:
    """A seed that knows the colour and one that does not are scored as one model, by their mean probability."""
    write_world(tmp_path, seeds=(0, 3))
    baseline = (tmp_path / "train/0/colours.json").read_bytes()
    (tmp_path / "retrain/gan-3/colours.json").write_bytes(baseline)
    evaluating = {"bootstrap": 200, "worst": 2, "ensemble": True}
    metrics = run(tmp_path, params_of(seeds=[0, 3], evaluate=evaluating))
    folders = (tmp_path / "retrain/gan-0", tmp_path / "retrain/gan-3")
    parts = [ColourSegmenter(folder) for folder in folders]
    confusion = np.zeros((3, 3), np.int64)
    for image, truth in read_test_split(tmp_path / "prepare").images():
        predicted = np.sum([part.probabilities(image) for part in parts], axis=0).argmax(axis=0)
        np.add.at(confusion, (truth.reshape(-1), predicted.reshape(-1)), 1)
    assert metrics["test/gan-ensemble/mIoU"] == pytest.approx(miou(confusion))


def test_one_seed_is_no_ensemble_and_a_warning_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_world(tmp_path)
    run(tmp_path, params_of(evaluate={"bootstrap": 200, "worst": 2, "ensemble": True}))
    assert read(tmp_path, "scores.json")["ensembles"] == []
    assert "one seed is no ensemble" in caplog.text


def test_the_protocol_stands_with_the_scores(world: Path, tmp_path: Path) -> None:
    assert read(world, "scores.json")["protocol"] == {
        "words": "whole image", "window": None, "overlap": 0.33, "scales": [1.0], "flip": False,
        "merge": "softmax_mean",
    }  # fmt: skip
    assert "Protocol of the test scores: whole image." in Page(render_report(world)).text
    write_world(tmp_path)
    far = {"window": [20, 30], "scales": [0.75, 1.0], "flip": True, "merge": "logit_mean"}
    run(tmp_path, params_of(evaluate={"bootstrap": 200, "worst": 2, **far}))
    words = "sliding window of 20 x 30, overlap 0.33; scales 0.75, 1; flip; merged by logit_mean."
    assert words in Page(render_report(tmp_path)).text


def list_of(content: dict[str, object], name: str) -> list[dict[str, object]]:
    values = content[name]
    assert isinstance(values, list)
    return values
