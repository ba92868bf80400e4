"""`ocrnet next`: what to label next with its pre-labels, and labels judged by models that did not learn from them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ocrnet.bundles.bundle import WEIGHTS_FILE
from ocrnet.checkpoint import CheckpointStore
from ocrnet.config.params_file import load_params
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import read_manifest
from ocrnet.data.unlabelled import write_unlabelled_manifest
from ocrnet.inference.predict import load_segmenter
from ocrnet.record import Recorder
from ocrnet.training.data import TrainingData
from ocrnet.training.dataset import ImageFolder
from ocrnet.training.folds import split_folds
from ocrnet.training.train import train_segmenter
from pipelines.cli.app import main
from tests.base_params import write_params
from tests.ocrnet.conftest import CLASSES, toy_params, write_toy_set
from tests.ocrnet.predict_files.bundles import write_varied_bundle
from tests.ocrnet.predict_files.test_coco import decode
from tests.ocrnet.raw.raw_sets import noise


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set, two models, and a folder with a training image, two of noise, and a damaged one."""
    folder = tmp_path_factory.mktemp("next")
    prepared = write_toy_set(folder / "data/prepare", counts={"train": 4, "val": 2})
    for seed in (1, 2):
        write_varied_bundle(folder / f"model_{seed}", seed=seed)
    new = folder / "new"
    (new / "deep").mkdir(parents=True)
    known = (prepared / "images/train_00.png").read_bytes()
    (new / "known.png").write_bytes(known)
    Image.fromarray(noise(0, (64, 80, 3))).save(new / "noise.png")
    Image.fromarray(noise(1, (70, 66, 3))).save(new / "deep/noise.png")
    (new / "bad.png").write_bytes(b"no picture")
    (prepared / "unlabelled/images").mkdir(parents=True)
    (prepared / "unlabelled/images/free.png").write_bytes(known)
    row = {"id": "free", "group": "free", "image": "images/free.png", "height": 64, "width": 80}
    row |= {"origin": "unlabelled", "image_sha256": "", "raw_image": "extra/Free.png"}
    write_unlabelled_manifest(prepared, pd.DataFrame([row]))
    return folder


def run_next(*arguments: str) -> int:
    return main(["next", *arguments, "--device", "cpu"])


def test_images_come_with_pre_labels_that_tools_open(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    assert run_next("new", "-o", "out", "--model", "model_1") == 3
    told = capsys.readouterr()
    assert "bad.png" in told.err
    assert "3 of 3 images to label, by views by model_1" in told.out
    table = pd.read_csv("out/next.csv")
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["score"].to_numpy() == pytest.approx(
        table["uncertainty"] * table["distance"], rel=1e-4
    )
    last = table.iloc[-1]
    assert (last["name"], last["distance"]) == (
        "known",
        pytest.approx(0.0, abs=1e-3),
    )  # is labelled already
    model = load_segmenter(Path("model_1"))
    coco = json.loads(Path("out/coco.json").read_text())
    for image, name in zip(coco["images"], table["name"], strict=True):
        assert image["file_name"] == f"{name}.png"
        label_map = model.label_map_of_file(Path("out/images", image["file_name"]))
        assert np.array_equal(read_label_map(Path(f"out/label_maps/{name}.png")), label_map)
        drawn = np.full(label_map.shape, 255)
        for one in coco["annotations"]:
            if one["image_id"] == image["id"]:
                drawn[decode(one["segmentation"]) == 1] = one["category_id"] - 1
        assert np.array_equal(drawn, label_map)
        shares = [table.set_index("name").loc[name, f"share_{one}"] for one in CLASSES.class_names]
        assert sum(shares) == pytest.approx(1.0, abs=1e-4)
    assert read_image(Path("out/sheet.png")).shape[1] == 3 * (320 + 6)
    assert (
        run_next("new", "-o", "out", "--model", "model_1") == 2
    )  # someone may have corrected the pre-labels
    assert "the folder is not empty" in capsys.readouterr().err


def test_without_a_source_the_unlabelled_images_of_the_set_are_ranked_by_all_models(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    assert run_next("-o", "all", "--model", "model_1", "--model", "model_2") == 0
    assert "1 of 1 images to label, by 2 models" in capsys.readouterr().out
    (row,) = pd.read_csv("all/next.csv").to_dict("records")
    assert (row["name"], row["raw_image"]) == ("free", "extra/Free.png")
    assert row["uncertainty"] > 0
    assert Path("all/images/free.png").read_bytes() == Path("new/known.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--folds", "2"), "found it without --labels"),
        (("--labels", "new"), "found it with the source new"),
        (("--labels", "--folds", "2", "--model", "model_1"), "found it with --model model_1"),
        (("--labels", "--folds", "1"), "1 is not in the range x>=2"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(checkout)
    assert run_next(*arguments, "-o", "none") == 2
    assert words in capsys.readouterr().err
    assert not Path("none").exists()


def test_labels_are_judged_by_models_of_other_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of five images three are in the first fold, whose model is, to the bit, one that was trained on the others."""
    prepared = write_toy_set(tmp_path / "data/prepare", counts={"train": 5, "val": 2})
    monkeypatch.chdir(tmp_path)
    values = toy_params(steps=3, val_interval=3).model_dump(mode="json", by_alias=True)
    values["model"]["backbone"] = "mobilenetv3_small_050"
    write_params(Path("params.yaml"), values)
    params = load_params(Path("params.yaml"))
    assert run_next("--labels", "--folds", "2", "-o", "out", "-n", "2") == 0
    told = capsys.readouterr()
    assert "fold 1 of 2: train without 3 of 5 images" in told.err
    assert "images of train, val have likely label errors" in told.out
    table = pd.read_csv("out/label_errors.csv")
    assert sorted(table["id"]) == sorted(read_manifest(prepared)["id"])
    assert read_image(Path("out/sheet.png")).shape[1] == 4 * (320 + 6)
    (folds,) = Path(".state/folds").iterdir()
    data = TrainingData.read(prepared)
    (held_out, _) = split_folds(list(data.real.table["group"]), 2)
    rest = ImageFolder(prepared, data.real.table[~held_out].reset_index(drop=True))
    train_segmenter(
        params, replace(data, real=rest),
        seed=0, out=Path("own"), recorder=Recorder(Path("own")), checkpoints=CheckpointStore(Path("ck")),
    )  # fmt: skip
    assert (folds / "1" / WEIGHTS_FILE).read_bytes() == Path("own", WEIGHTS_FILE).read_bytes()
    assert run_next("--labels", "--folds", "2", "-o", "again", "-n", "2") == 0
    assert "train without" not in capsys.readouterr().err  # the folds are kept
    again = Path("again/label_errors.csv").read_bytes()
    assert again == Path("out/label_errors.csv").read_bytes()


def test_without_folds_the_labels_that_models_did_not_learn_from_are_judged(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout)
    assert run_next("--labels", "-o", "val", "--model", "model_1") == 0
    assert set(pd.read_csv("val/label_errors.csv")["split"]) == {"val"}
    joint = pd.read_csv("val/joint.csv")
    assert joint["labelled"].tolist() == list(CLASSES.class_names)
