"""Params are checked as a whole, and every message says where, what and how to cure it."""

from pathlib import Path
from typing import Any

import pytest

from ocrnet.config.params_file import load_params
from ocrnet.errors import ParamsError
from ocrnet.preflight.names import check_component_names
from tests.base_params import params_with, write_params

DATA: dict[str, Any] = {"source": "folder", "path": "raw", "classes": ["floor", "crack"]}


def test_the_file_of_the_repository_is_valid_whatever_set_is_in_force() -> None:
    check_component_names(load_params(Path("params.yaml")))


def test_a_float_in_exponent_form_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    write_params(path, {})
    path.write_text(path.read_text().replace("lr: 0.001", "lr: 1e-4"))
    assert load_params(path).train.lr == 1e-4


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ParamsError, match=r"data\.crop_sise: unknown key\..*Known keys: .*crop_size"
    ):
        params_with({"data": {**DATA, "crop_sise": 5}})


def test_all_errors_are_told_at_once() -> None:
    with pytest.raises(ParamsError) as caught:
        params_with({"data": DATA, "train": {"lr": -1, "stepz": 3}, "model": {"dropout": 2}})
    lines = str(caught.value).splitlines()
    assert [line.split(":")[1].strip() for line in lines] == [
        "model.dropout",
        "train.lr",
        "train.stepz",
    ]
    assert "found -1" in lines[1]


def test_params_are_frozen() -> None:
    params = params_with({"data": DATA})
    with pytest.raises(ValueError, match="frozen"):
        params.train.lr = 1.0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"reduce_zero_label": True}, r"E103 .*label_map: \{0: ignore, 1: floor, 2: crack\}"),
        ({"classes": ["floor", "ignore"]}, "reserved for ignored pixels"),
        ({"num_classes": 3}, "num_classes is 3 but classes has 2 entries"),
        ({"ignore_index": 1}, "ignore_index 1 is the id of class 'crack'"),
        ({"label_map": {7: "crak"}}, r"label_map names \['crak'\].*ignore, floor, crack"),
        ({"classes": ["floor", "floor"]}, "a duplicate name"),
        ({"group_by": "^a"}, "has 0 groups"),
        ({"group_by": "("}, "is no regular expression"),
        ({"value_range": [5, 5]}, r"is not \[low, high\]"),
        ({"palette": [[0, 0, 0]]}, "1 colours for 2 classes"),
        ({"palette": [[0, 0, 9], [0, 0, 9]]}, r"palette: the colour \[0, 0, 9\] is a duplicate"),
        ({"palette": [[0, 0, 0], [0, 0, 256]]}, "palette"),
        ({"classes": ["crack"]}, r"Add a background class: \[background, crack\]"),
        ({"classes": [0, 1]}, r"classes: found \[0, 1\]: 0 is no text"),
        ({"classes": ["floor", "two\nlines"]}, "printable characters"),
        ({"label_map": {1.5: "crack"}}, r"keys \[1\.5\] are neither"),
        ({"label_map": {True: "crack"}}, r"keys \[True\] are neither"),
        ({"ignore_index": -1}, r"data.label_map: \{-1: ignore\}"),
    ],
)
def test_contradictions_in_data(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        params_with({"data": {**DATA, **data}})


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"seeds": [-1]}, r"seeds\.0: found -1"),
        ({"evaluate": {"seed": -1}}, r"evaluate\.seed: found -1"),
        ({"synthesize": {"pastes": [3, 1]}}, r"is not \[least, most\]"),
        ({"synthesize": {"operations": {"flip": 0.0}}}, "no weight above 0"),
        ({"train": {"warmup_steps": 9, "steps": 9}}, "warmup_steps 9 leaves none of steps 9"),
        ({"train": {"scale_range": [2.0, 1.0]}}, r"is not \[low, high\]"),
    ],
)
def test_contradictions_in_other_sections(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        params_with({"data": DATA, **sections})


@pytest.mark.parametrize(
    ("retrain", "message"),
    [
        ({"real_fraction": 0.95}, "real_fraction: 0.95 of train.batch_size 8 is 8 .* Set 0.875 or less"),
        ({"real_fraction": 1.0}, "real_fraction: 1.0 .*no extra sample: every arm would be the baseline"),
        ({"real_fraction": 0.05}, "real_fraction: 0.05 .*no sample is real. Set 0.125 or more, 0 for pairs"),
        ({"real_tail": 1.0}, "real_tail: 1.0 of train.steps 4 is all steps: every arm would be the"),
        ({"real_tail": 0.9}, "real_tail: 0.9 of train.steps 4 is all steps"),
    ],
)  # fmt: skip
def test_a_mix_that_rounds_to_one_kind_of_sample_is_refused(
    retrain: dict[str, float], message: str
) -> None:
    recipe = {"batch_size": 8, "steps": 4, "warmup_steps": 1}
    with pytest.raises(ParamsError, match=message) as caught:
        params_with({"data": DATA, "train": recipe, "retrain": retrain})
    assert str(caught.value).startswith("params.yaml: retrain.real_")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("fraction", [0.0, 0.125, 0.875, 0.9])
def test_one_sample_of_each_kind_is_enough_and_pairs_may_be_alone(fraction: float) -> None:
    retrain = params_with({"data": DATA, "retrain": {"real_fraction": fraction}}).retrain
    assert retrain.real_per_batch(8) == {0.0: 0, 0.125: 1, 0.875: 7, 0.9: 7}[fraction]


def test_one_number_is_a_square_crop() -> None:
    assert params_with({"data": {**DATA, "crop_size": 64}}).data.crop_size == (64, 64)


def test_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ParamsError, match=r"the file is missing\. Run the stage from the repository root"
    ):
        load_params(tmp_path / "params.yaml")


def test_broken_yaml_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("train: {lr: [1\n")
    with pytest.raises(ParamsError, match="not YAML") as caught:
        load_params(path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("train", "norm", "message"),
    [
        ({"accumulate": 3}, "group", "accumulate 3 cannot divide batch_size 8 evenly over processes 1"),
        ({"accumulate": 4, "processes": 4}, "group", "set a divisor of 2"),
        ({"accumulate": 8}, "batch", "8 parts of 8 images have one image each per process"),
        ({"accumulate": 4, "processes": 2}, "batch", "one image each per process"),
        ({"accumulate": 8}, "sync", "Set fewer parts"),
    ],
)  # fmt: skip
def test_parts_of_a_batch_that_cannot_be_trained_on_are_refused(
    train: dict[str, int], norm: str, message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        params_with({"data": DATA, "train": train, "model": {"norm": norm}})


def test_parts_of_one_image_fit_norms_that_know_one_image() -> None:
    for train, norm in (({"accumulate": 8}, "group"), ({"accumulate": 4, "processes": 2}, "sync")):
        assert params_with({"data": DATA, "train": train, "model": {"norm": norm}})
