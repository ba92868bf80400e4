"""Which arm is the challenger, and whether the pairs are said to help."""

import re
from pathlib import Path

import pytest

from ocrnet.evaluation.scoring import cells_of
from ocrnet.record import write_record
from ocrnet.report import render_report
from tests.ocrnet.evaluation.evaluated import (
    NAMES,
    PALETTE,
    params_of,
    read,
    run,
    write_model,
    write_world,
)
from tests.ocrnet.report.test_report import Page


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


def write_ratio(folder: Path) -> None:
    """Write the record of a training with unlabelled images."""
    write_record(folder, stage="retrain", fingerprint="f0", params={"mean_teacher.ratio": 1.0})


def test_a_gan_is_held_against_the_arms_of_its_own_files(tmp_path: Path) -> None:
    """The arm with unlabelled images is the best of all, but the GAN saw none: its pairs help all the same."""
    write_world(tmp_path)
    perfect = tmp_path / "retrain/mean_teacher-0"
    write_model(perfect, NAMES, dent=PALETTE[1], val_miou=0.95)
    write_ratio(perfect)
    run(
        tmp_path, params_of(retrain={"arms": ["gan", "mean_teacher"]}, data={"unlabelled": "extra"})
    )
    scores, challenger = read(tmp_path, "scores.json"), read(tmp_path, "challenger.json")
    assert scores["best_non_gan"] == "mean_teacher"
    assert scores["rivals"] == {"gan": "train"}
    answer, reasons = str(challenger["verdict"]).splitlines()
    assert answer.startswith("The GAN pairs help in one training of each arm: +")
    assert "real images only, the only arm without a GAN that uses labelled images alone;" in answer
    assert "the challenger is better by validation mIoU, and uses unlabelled images" in reasons
    assert (challenger["stage"], challenger["helps"]) == ("retrain@mean_teacher-0", False)
    page = Page(render_report(tmp_path)).text
    assert "labelled and unlabelled images" in page
    assert "2.3" in page
    assert "1, after the training of the GAN" in page


def test_a_gan_that_sees_unlabelled_images_has_all_arms_without_a_gan_as_rivals(
    tmp_path: Path,
) -> None:
    write_world(tmp_path)
    for arm in ("mean_teacher", "gan+mean_teacher"):
        folder = tmp_path / f"retrain/{arm}-0"
        write_model(folder, NAMES, dent=PALETTE[1], val_miou=0.9)
        write_ratio(folder)
    arms = ["gan", "mean_teacher", "gan+mean_teacher"]
    run(tmp_path, params_of(retrain={"arms": arms}, data={"unlabelled": "extra"}))
    scores = read(tmp_path, "scores.json")
    assert scores["rivals"] == {"gan": "train", "gan+mean_teacher": "mean_teacher"}
    against = scores["against_best_non_gan"]
    assert isinstance(against, dict)
    assert against["gan+mean_teacher"]["miou"]["value"] == 0
    assert against["gan"]["miou"]["low"] > 0
    told = str(read(tmp_path, "challenger.json")["verdict"])
    assert "without a GAN that uses labelled and unlabelled images on the test images is" in told
