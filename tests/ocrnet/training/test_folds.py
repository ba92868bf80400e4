"""A training without a fold, and its score on that fold."""

import json
from pathlib import Path

import numpy as np
import pytest

from ocrnet.checkpoint import CheckpointStore
from ocrnet.inference.predict import load_segmenter
from ocrnet.metrics import confusion_matrix
from ocrnet.record import Recorder
from ocrnet.training.data import TrainingData
from ocrnet.training.folds import FOLD_FILE, score_fold, split_folds, without_fold
from ocrnet.training.train import train_segmenter
from tests.ocrnet.conftest import toy_params


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_model_of_a_fold_sees_all_training_images_but_those_of_the_fold(
    toy_set: Path, number: int
) -> None:
    data = TrainingData.read(toy_set)
    held_out = split_folds([str(name) for name in data.real.table["group"]], 3)[number - 1]
    rest, fold = without_fold(data, held_out)
    inside, outside = set(fold.table["id"]), set(rest.real.table["id"])
    assert list(fold.table["id"]) == list(data.real.table["id"][held_out])
    assert inside
    assert not inside & outside
    assert inside | outside == set(data.real.table["id"])
    assert set(rest.real.table["group"]).isdisjoint(fold.table["group"])
    seen = {
        name
        for batch, _ in zip(rest.batches(toy_params(), seed=0), range(8), strict=False)
        for name in batch.ids
    }
    assert seen == outside
    assert rest.val is data.val


def test_the_scores_are_those_of_the_bundle_on_the_fold(toy_set: Path, tmp_path: Path) -> None:
    data = TrainingData.read(toy_set)
    rest, fold = without_fold(data, np.arange(len(data.real.table)) < 3)
    train_segmenter(
        toy_params(steps=2, warmup_steps=0, val_interval=2), rest, seed=0, out=tmp_path,
        recorder=Recorder(tmp_path), checkpoints=CheckpointStore(tmp_path / "ck"),
    )  # fmt: skip
    found = score_fold(tmp_path, fold, number=1)
    assert found == json.loads((tmp_path / FOLD_FILE).read_text())
    assert (found["fold"], found["images"], found["groups"]) == (1, 3, 3)
    segmenter = load_segmenter(tmp_path)
    own = sum(
        confusion_matrix(
            segmenter.label_map(item.image), item.label_map, num_classes=3, ignore_index=255
        )
        for item in map(data.real.item, range(3))
    )
    assert found["confusion"] == np.asarray(own).tolist()
