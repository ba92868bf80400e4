"""The stage `pseudo_label` and the trainings that use its pairs, from a baseline that the stage `train` trained."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import pixel_columns, read_manifest
from ocrnet.data.pixel_weights import read_pixel_weights
from ocrnet.data.pseudo_shares import read_shares
from ocrnet.record import METRICS_FILE, RECORD_FILE
from pipelines._stage.dependencies import read_node
from pipelines._stage.stage import run_stage
from pipelines.pseudo_label import is_needed, pseudo_label
from pipelines.retrain import retrain
from pipelines.train import train
from tests.base_params import params_with, write_params
from tests.ocrnet.conftest import CLASSES, write_toy_set
from tests.ocrnet.training.test_mean_teacher import write_unlabelled

ARMS = ["gan", "self_training", "copy_paste+self_training"]
IDLE = {"pairs/manifest.csv"}


def write_world_params(**sections: Any) -> None:
    names = list(CLASSES.class_names)
    write_params(Path("params.yaml"), {
        "data": {"path": "raw", "classes": names, "crop_size": [64, 64], "unlabelled": "extra"},
        "model": {"arch": "fcn", "backbone": "resnet18", "mid_channels": 16},
        "train": {
            "steps": 8, "batch_size": 4, "lr": 0.003, "warmup_steps": 2, "val_interval": 8, "ema_decay": 0.5,
        },
        "pseudo_label": {"scales": [1.0], "precision": 0.7},
        "retrain": {"arms": ARMS},
        "publish": {"live": False},
        **sections,
    })  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set with five unlabelled images, and the baseline of seed 0."""
    root = tmp_path_factory.mktemp("trained")
    prepared = write_toy_set(root / "data/prepare", counts={"train": 8, "val": 4, "test": 2})
    write_unlabelled(prepared)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_world_params()
        assert run_stage(train, "train", argv=["0"]) == 0
    return root


@pytest.fixture
def world(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_of(folder: str) -> dict[str, bytes]:
    base = Path(folder)
    return {p.relative_to(base).as_posix(): p.read_bytes() for p in base.rglob("*") if p.is_file()}


def test_the_baseline_labels_the_images_and_an_arm_trains_on_them(world: Path) -> None:
    assert run_stage(pseudo_label, "pseudo_label", argv=["0"]) == 0
    out = Path("data/pseudo_label/0")
    table, shares = read_manifest(out / "pairs"), read_shares(out)
    metrics = json.loads((out / METRICS_FILE).read_text())
    assert 0 < len(table) <= 5
    assert (metrics["pseudo_label/images"], metrics["pseudo_label/pairs"]) == (5, len(table))
    # What the manifest counts, what the files hold and what is told are the same pixels.
    columns = pixel_columns(CLASSES.class_names)
    assert table[columns].sum().sum() / (5 * 64 * 80) == pytest.approx(
        shares["kept_share"].sum(), abs=1e-5
    )
    for row in table.to_dict("records"):
        label_map = read_label_map(out / "pairs" / row["label_map"])
        weights = read_pixel_weights(out / "pairs" / row["pixel_weights"])
        assert ((weights == 0) == (label_map == CLASSES.ignore_index)).all()
        image = read_image(out / "pairs" / row["image"])
        assert (
            image == read_image(Path("data/prepare/unlabelled/images") / f"{row['id']}.png")
        ).all()
        assert (label_map != CLASSES.ignore_index).sum() == sum(row[name] for name in columns)
    with Image.open(out / "sheet.jpg") as sheet:
        assert np.asarray(sheet).std() > 0
    arm = "copy_paste+self_training"
    shutil.copytree("data/prepare", "data/select/copy_paste")
    assert run_stage(retrain, "retrain", argv=[arm, "0"]) == 0
    told = json.loads(Path(f"data/retrain/{arm}-0", METRICS_FILE).read_text())
    assert told["train/real_share"] == 0.5
    # The ensemble of twice the same baseline is that baseline.
    shutil.copytree("data/train/0", "data/train/1")
    write_world_params(seeds=[0, 1])
    assert run_stage(pseudo_label, "pseudo_label", argv=["1"]) == 0
    assert files_of("data/pseudo_label/1/pairs") == files_of("data/pseudo_label/0/pairs")


def test_without_weights_there_are_no_maps_of_them(world: Path) -> None:
    write_world_params(
        pseudo_label={"scales": [0.75, 1.0], "weigh": "none", "ensemble": False}, seeds=[0, 1]
    )
    assert run_stage(pseudo_label, "pseudo_label", argv=["0"]) == 0  # seed 1 is not trained
    assert not Path("data/pseudo_label/0/pairs/pixel_weights").exists()
    assert "pixel_weights" not in read_manifest(Path("data/pseudo_label/0/pairs"))


@pytest.mark.parametrize("why", ["no arm", "no image"])
def test_where_nothing_asks_for_labels_the_stage_reads_no_model_and_always_writes_the_same(
    world: Path, why: str
) -> None:
    shutil.rmtree("data/train")
    if why == "no arm":
        write_world_params(retrain={"arms": ["gan", "mean_teacher"]})
    else:
        shutil.rmtree("data/prepare/unlabelled")
    assert run_stage(pseudo_label, "pseudo_label", argv=["0"]) == 0
    found = files_of("data/pseudo_label/0")
    assert set(found) == IDLE
    assert not Path("data/pseudo_label/0", RECORD_FILE).exists(), "publish would send a run"
    empty = pd.read_csv("data/pseudo_label/0/pairs/manifest.csv")
    assert len(empty) == 0


def test_the_gan_waits_for_pseudo_labels_only_where_it_learns_from_them(tmp_path: Path) -> None:
    (tmp_path / "unlabelled").mkdir()
    (tmp_path / "unlabelled" / "manifest.csv").touch()
    asked = {"pairs": "data/pseudo_label/0/pairs"}
    for pairs, needed in (({}, False), (asked, True)):
        params = params_with(
            {"data": {"unlabelled": "extra"}, "retrain": {"arms": ["gan"]}, "train_gan": pairs}
        )
        inputs = read_node("train_gan").inputs(params.model_dump(mode="json", by_alias=True), ())
        assert (Path("data/pseudo_label/0/pairs") in inputs) == needed
        assert Path("data/prepare") in inputs
        assert is_needed(params, tmp_path) == needed
        assert not is_needed(params, tmp_path / "other")
