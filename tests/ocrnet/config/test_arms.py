"""Arms as sets of streams: which there are, what they may use, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from ocrnet.config import Params
from ocrnet.config.arms import (
    arm_of,
    data_words_of,
    extra_folder,
    files_of,
    join_fault,
    pseudo_label_folder,
    rivals_of,
    step_cost,
    uses_gan,
    uses_holes,
    uses_mean_teacher,
    uses_pseudo_labels,
    uses_unlabelled,
    words_of,
)
from ocrnet.errors import ParamsError
from ocrnet.preflight.names import check_component_names
from tests.base_params import params_with


def test_a_joined_arm_has_the_pairs_of_one_stream_and_the_images_of_the_other() -> None:
    arm = "copy_paste+mean_teacher"
    assert extra_folder(arm, Path("data")) == Path("data/select/copy_paste")
    assert extra_folder("mean_teacher", Path("data")) is None
    assert (uses_gan(arm), uses_unlabelled(arm)) == (False, True)
    assert uses_gan("gan+mean_teacher")
    assert not uses_unlabelled("train")
    assert words_of(arm) == (
        "retrained with selected copy-paste pairs and with unlabelled images by a mean teacher"
    )
    assert data_words_of(arm) == "selected copy-paste and unlabelled images"
    assert arm_of("gan").words == "retrained with selected GAN pairs"


def test_pseudo_labels_are_files_of_the_seed_and_no_mean_teacher() -> None:
    arm = "gan+self_training"
    assert extra_folder(arm, Path("data")) == Path("data/select")
    assert pseudo_label_folder(arm, Path("data"), 3) == Path("data/pseudo_label/3/pairs")
    assert pseudo_label_folder("gan+mean_teacher", Path("data"), 3) is None
    assert (uses_unlabelled(arm), uses_mean_teacher(arm)) == (True, False)
    assert not uses_pseudo_labels("train")
    assert words_of("self_training+mean_teacher") == (
        "retrained with pseudo-labels of unlabelled images and with unlabelled images by a mean teacher"
    )
    # Its pairs take the place of labelled images, and a ratio has no effect.
    assert step_cost(arm, 1.0) == 1
    sources = {"data": {"unlabelled": "extra"}, "train": {"batch_size": 8, "processes": 4}}
    params_of([arm], **sources, mean_teacher={"ratio": 0.5})
    with pytest.raises(ParamsError, match=r"gan\+self_training needs unlabelled images"):
        params_of([arm])


def test_a_rival_needs_no_files_that_the_arm_does_not_see() -> None:
    arms = ["train", "gan", "copy_paste", "mean_teacher", "gan+mean_teacher"]
    assert rivals_of("gan", arms) == ["train", "copy_paste"]
    assert rivals_of("gan+self_training", ["train", "self_training"]) == ["train", "self_training"]
    assert rivals_of("gan", ["train", "self_training"]) == ["train"]
    assert rivals_of("gan+mean_teacher", arms) == ["train", "copy_paste", "mean_teacher"]
    # A GAN that learned from unlabelled images brings what it saw into every arm with its pairs, and into no other.
    assert rivals_of("gan", arms, gan_sees=True) == ["train", "copy_paste", "mean_teacher"]
    assert uses_unlabelled("gan", gan_sees=True)
    assert not uses_unlabelled("copy_paste", gan_sees=True)
    assert files_of("gan", gan_sees=True) == "labelled and unlabelled images"
    assert files_of("gan") == files_of("copy_paste", gan_sees=True) == "labelled images alone"


def test_a_gan_with_pseudo_labels_needs_unlabelled_images_and_a_seed_of_the_run() -> None:
    asked = {"pairs": "data/pseudo_label/1/pairs"}
    sources = {"data": {"unlabelled": "extra"}}
    assert params_with({"seeds": [0, 1], "train_gan": asked, **sources}).train_gan.pseudo_seed == 1
    with pytest.raises(ParamsError, match=r"train_gan.pairs: .* needs unlabelled images"):
        params_with({"seeds": [0, 1], "train_gan": asked})
    with pytest.raises(ParamsError, match=r"pairs of seed 1, but seeds are \[0\]"):
        params_with({"seeds": [0], "train_gan": asked, **sources})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("self_training", ""),
        ("gan+self_training+mean_teacher", ""),
        ("mean_teacher+self_training", "the pairs come first. Write self_training+mean_teacher."),
        ("self_training+copy_paste", "the pairs come first. Write copy_paste+self_training."),
        ("gan+mean_teacher", ""),
        ("mean_teacher", ""),
        ("mean_teacher+gan", "the pairs come first. Write gan+mean_teacher."),
        ("gan+copy_paste", "it joins two streams of pairs, or one stream twice"),
        ("gan+gan", "it joins two streams of pairs, or one stream twice"),
        ("mean_teacher+mean_teacher", "or one stream twice"),
    ],
)
def test_streams_that_cannot_be_joined_are_told_with_the_cure(name: str, words: str) -> None:
    assert (
        join_fault(name).startswith(words)
        if not words.startswith("or")
        else words in join_fault(name)
    )
    assert bool(join_fault(name)) is bool(words)


def test_the_cost_of_a_step_counts_passes() -> None:
    # 8 labelled images have 8 * 3 passes; 8 unlabelled ones have 8 * (1 + 3) more: 56 / 24.
    assert step_cost("mean_teacher", 1.0) == pytest.approx(56 / 24)
    assert step_cost("copy_paste+mean_teacher", 0.5) == pytest.approx(40 / 24)
    assert step_cost("gan", 1.0) == step_cost("train", 1.0) == 1


def params_of(arms: list[str], **sections: Any) -> Params:
    return params_with({"retrain": {"arms": arms}, **sections})


@pytest.mark.parametrize(
    "sections",
    [
        {"data": {"unlabelled": "extra"}},
        {"data": {"without_label_map": "unlabelled"}},
        {"prepare": {"train_fraction": 0.5, "rest": "unlabelled"}},
    ],
)
def test_an_arm_with_unlabelled_images_needs_a_param_that_names_some(
    sections: dict[str, dict[str, object]],
) -> None:
    arms = ["gan", "gan+mean_teacher"]
    assert params_of(arms, **sections).retrain.arms == tuple(arms)
    with pytest.raises(
        ParamsError, match=r"gan\+mean_teacher needs unlabelled images.*Set data\.unlabelled"
    ):
        params_of(arms)


def test_the_rest_of_a_whole_split_is_nothing() -> None:
    with pytest.raises(ParamsError, match="needs unlabelled images"):
        params_of(["mean_teacher"], prepare={"train_fraction": 1.0, "rest": "unlabelled"})


def test_pairs_that_cannot_be_divided_among_processes_are_refused() -> None:
    given = {"data": {"unlabelled": "extra"}, "train": {"batch_size": 8, "processes": 4}}
    assert params_of(["mean_teacher"], **given).mean_teacher.per_batch(8) == 8
    with pytest.raises(
        ParamsError, match=r"mean_teacher\.ratio: 0\.5 .* is 4 unlabelled images.*multiple of 8"
    ):
        params_of(["mean_teacher"], **given, mean_teacher={"ratio": 0.5})
    # Without such an arm the section has no effect.
    params_of(["gan"], **given, mean_teacher={"ratio": 0.5})


def test_hybrid_pairs_are_a_stream_of_a_gan_that_paints_holes() -> None:
    arm = "hybrid+mean_teacher"
    assert extra_folder(arm, Path("data")) == Path("data/select/hybrid")
    assert uses_gan(arm)
    assert uses_holes(arm)
    assert not uses_holes("gan+mean_teacher")
    assert rivals_of("hybrid", ["train", "gan", "copy_paste", "hybrid"]) == ["train", "copy_paste"]
    assert "joins two streams of pairs" in join_fault("gan+hybrid")
    params_of(["hybrid", "gan"], train_gan={"holes": 0.1})
    params_of(["gan"], train_gan={"holes": 0.0})
    with pytest.raises(
        ParamsError, match=r"retrain\.arms: hybrid needs a GAN that paints holes .* Set it above 0"
    ):
        params_of(["hybrid", "gan"], train_gan={"holes": 0.0})


def test_names_within_a_joined_arm_are_checked() -> None:
    given = {"data": {"unlabelled": "extra"}}
    with pytest.raises(ParamsError, match=r"retrain\.arms: 'mean_techer' is unknown.*mean_teacher"):
        check_component_names(params_of(["gan+mean_techer"], **given))
    with pytest.raises(ParamsError, match=r"'mean_teacher\+gan': the pairs come first"):
        check_component_names(params_of(["mean_teacher+gan"], **given))
