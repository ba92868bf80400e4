"""What can only be an error is refused before anything runs, with what was meant."""

from typing import Any

import pytest

from ocrnet.config.params_file import known_keys
from ocrnet.errors import ParamsError
from ocrnet.errors.near_names import OTHER_TOOLS
from tests.base_params import params_with

DATA: dict[str, Any] = {"source": "folder", "path": "raw", "classes": ["floor", "crack"]}


def refused(**sections: Any) -> list[str]:
    with pytest.raises(ParamsError) as caught:
        params_with({"data": DATA, **sections})
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("sections", "key", "words"),
    [
        ({"seeds": 0}, "seeds", "expected a list"),
        ({"folds": [1]}, "folds", "expected all folds in order"),
        ({"folds": [1, 3]}, "folds", "expected all folds in order"),
        ({"seeds": [0, 0]}, "seeds", "0 is a duplicate"),
        ({"seeds": [0.0]}, "seeds.0", "integer"),
        ({"seeds": [True]}, "seeds.0", "integer"),
        ({"retrain": {"arms": ["gan", "gan"]}}, "retrain.arms", "gan is a duplicate"),
        ({"prepare": {"val_share": 0.6, "test_share": 0.6}}, "prepare", "leave no training images"),
        ({"prepare": {"resize": [1, 64]}}, "prepare.resize.0", "found 1"),
        ({"train": {"lr": 1e9}}, "train.lr", "found 1000000000.0"),
        ({"train": {"workers": 500}}, "train.workers", "found 500"),
        ({"train": {"ema_decay": 1.0}}, "train.ema_decay", "less than 1"),
        ({"train": {"steps": True}}, "train.steps", "found true"),
        ({"train": {"batch_size": 1}}, "train", "batch norm needs 2"),
        ({"train": {"batch_size": 2, "processes": 2}}, "train.processes", "model.norm batch"),
        ({"train": {"optimizer": "adam"}}, "train.optimizer", "Did you mean 'adamw'?"),
        ({"model": {"pretrained": 1}}, "model.pretrained", "true or the path of a file"),
        ({"data": {**DATA, "classes": ["crack"]}}, "data.classes", "Add a background class: [background, crack]"),
        ({"data": {**DATA, "classes": [0, 1]}}, "data.classes", "0 is no text"),
        ({"data": {**DATA, "classes": ["a", "b\nc"]}}, "data.classes", "printable"),
        ({"data": {**DATA, "classes": ["a(", "a)"]}}, "data.classes", "become one metric in MLflow"),
        ({"data": {**DATA, "classes": ["a", ".."]}}, "data.classes", "as a path"),
        ({"publish": {"model_name": "team/ocrnet:mine"}}, "publish.model_name", "refuses / :"),
        ({"publish": {"model_name": "defects-v1.2"}}, "publish.model_name", "such as defects-v1-2"),
        ({"publish": {"model_name": " "}}, "publish.model_name", "empty"),
        ({"publish": {"experiment": ""}}, "publish.experiment", "empty"),
        ({"evaluate": {"metric": "pq"}}, "evaluate.metric", "data.things names no class. Name some"),
        ({"evaluate": {"metric": "ap"}}, "evaluate.metric", "'miou', 'pq' or 'ap50'"),
        ({"trian": {}}, "trian", "Did you mean 'train'?"),
        ({"train": {"batchsize": 4}}, "train.batchsize", "Did you mean 'batch_size'?"),
        ({"train": {"crop_size": 4}}, "train.crop_size", "Did you mean data.crop_size"),
        ({"epochs": 4}, "epochs", "Write train.steps"),
        ({"train": {"epochs": 4}}, "train.epochs", "Write train.steps"),
        ({"train_gan": {"epochs": 4}}, "train_gan.epochs", "Write train_gan.steps"),
        ({"train": {"lr0": 4}}, "train.lr0", "Write train.lr."),
        ({"train": {"imgsz": 4}}, "train.imgsz", "Write data.crop_size"),
        ({"train": {"max_iters": 4}}, "train.max_iters", "Write train.steps"),
        ({"train": {"early_stopping": 4}}, "train.early_stopping", "Write train.patience, in validations"),
        ({"train": {"accumulate_grad_batches": 4}}, "train.accumulate_grad_batches", "Write train.accumulate"),
        ({"train": {"flipud": 0.5}}, "train.flipud", "Write train.vertical_flip"),
    ],
)  # fmt: skip
def test_it_is_one_line_with_the_key_and_what_was_meant(
    sections: dict[str, Any], key: str, words: str
) -> None:
    (line,) = refused(**sections)
    assert line.startswith(f"params.yaml: {key}: ")
    assert words in line


def test_frozen_norms_of_the_backbone_leave_that_of_deeplabv3() -> None:
    two = {"batch_size": 2, "processes": 2}
    frozen = {"arch": "deeplabv3", "norm": "frozen"}
    assert "model.norm" in refused(train=two, model=frozen)[0]
    for model in ({**frozen, "arch": "ocrnet"}, {"norm": "sync"}, {"norm": "group"}):
        params_with({"data": DATA, "train": two, "model": model})


def test_the_words_of_other_tools_lead_to_keys_that_there_are() -> None:
    known = known_keys()
    for word, (key, _) in OTHER_TOOLS.items():
        section, _, leaf = key.rpartition(".")
        assert leaf in known[section], word
        assert word not in known[""]
