"""A registry whose versions have scores made by hand, published as `publish` does it, for the tests of the gate."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ocrnet.bundles.bundle import build_model, save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.config import EvaluateParams
from ocrnet.data.manifest import ClassTable, file_sha256
from ocrnet.evaluation.scored_split import TestSplit, read_test_split
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.metrics import miou
from pipelines._mlflow import publish
from pipelines._mlflow.promotion import PromoteOptions, PromotionResult, promote
from tests.base_params import section_with, write_params
from tests.ocrnet.conftest import CLASSES, write_toy_set

from .store import Store, copy_empty_store
from .workspace import Workspace

Counts = NDArray[np.int64]
MODEL = "toy-segmenter"
PARAMS = {
    "data": {"source": "folder", "path": "raw", "classes": ["floor", "square", "dot"]},
    "evaluate": {"bootstrap": 100},
    "publish": {"experiment": "toy", "model_name": "toy-segmenter", "live": False},
    "promote": {"max_latency_ratio": 100, "max_class_drop": 0.05, "abandoned_minutes": 10},
}
OPTIONS = {"backbone": "mobilenetv3_small_050", "mid_channels": 16, "key_channels": 8}
# The share of each class's pixels that evaluate counted as wrong, per version.
BASE, BETTER, BEST, LOPSIDED, ELSEWHERE = "1", "2", "3", "4", "5"
WRONG: Mapping[str, tuple[float, float, float]] = {
    BASE: (0.1, 0.1, 0.1),
    BETTER: (0.05, 0.05, 0.05),
    BEST: (0.02, 0.02, 0.02),
    LOPSIDED: (0.0, 0.0, 0.95),
    ELSEWHERE: (0.0, 0.0, 0.0),  # on another test split
}


@dataclass(frozen=True)
class Registry:
    """A copy of the store, with today's data and params, in the folder that the test runs in."""

    workspace: Workspace

    @property
    def folder(self) -> Path:
        return self.workspace.folder

    @property
    def store(self) -> Store:
        return Store(self.folder / "mlflow.db")

    @property
    def aliases(self) -> dict[str, str]:
        rows = self.store.query(
            "SELECT alias, version FROM registered_model_aliases WHERE name = ?", MODEL
        )
        return {alias: str(version) for alias, version in rows if alias != "challenger"}

    def entries(self) -> list[dict[str, str]]:
        """Return the tags of each entry of the ledger, in order."""
        rows = self.store.query(
            "SELECT version, key, value FROM model_version_tags WHERE name = ? ORDER BY version",
            f"{MODEL}.promotions",
        )
        found: dict[int, dict[str, str]] = {}
        for version, key, value in rows:
            found.setdefault(version, {})[key] = value
        return list(found.values())

    def states(self) -> list[str]:
        return [entry["state"] for entry in self.entries()]

    def tags(self, version: str) -> dict[str, str]:
        return dict(
            self.store.query(
                "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?",
                MODEL, version,
            )
        )  # fmt: skip


def publish_versions(factory: pytest.TempPathFactory) -> Path:
    """Publish every version of `WRONG` once and return the folder."""
    folder = factory.mktemp("published")
    copy_empty_store(factory, folder / "mlflow.db")
    workspace = Workspace(folder, f"sqlite:///{folder}/mlflow.db")
    write_params(folder / "params.yaml", PARAMS)
    write_toy_set(folder / "data/prepare", counts={"train": 1, "val": 1, "test": 8}, size=(64, 64))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", workspace.uri)
        for version, wrong in WRONG.items():
            _train(workspace, version)
            _evaluate(workspace, wrong, elsewhere=version == ELSEWHERE)
            assert publish.publish() == 0
    return folder


def copy_registry(published: Path, folder: Path) -> Registry:
    """Return a copy of the published store with its data; the models stay where they are."""
    workspace = Workspace(folder, f"sqlite:///{folder}/mlflow.db")
    for name in ("mlflow.db", "params.yaml"):
        shutil.copy(published / name, folder / name)
    shutil.copytree(published / "data/prepare", folder / "data/prepare")
    (folder / "mlartifacts").symlink_to(published / "mlartifacts")
    return Registry(workspace)


def count_wrong(split: TestSplit, wrong: tuple[float, ...]) -> Counts:
    """Return a confusion per image in which such a share of each class is taken for the next one."""
    names = split.classes.class_names
    counts = np.zeros((len(split), len(names), len(names)), np.int64)
    for k, name in enumerate(names):
        pixels = split.table[f"px_{name}"].to_numpy(np.int64)
        lost = (pixels * wrong[k]).astype(np.int64)
        counts[:, k, k], counts[:, k, (k + 1) % len(names)] = pixels - lost, lost
    return counts


def write_bundle(folder: Path, *, seed: int, classes: ClassTable = CLASSES) -> None:
    card = ModelCard("ocrnet", OPTIONS, classes)
    torch.manual_seed(seed)
    save_bundle(folder, card, build_model(card).state_dict())


def _train(workspace: Workspace, version: str) -> None:
    workspace.finish_stage("train@0", fingerprint=f"f{version}")
    write_bundle(workspace.out("train@0"), seed=int(version))
    workspace.lock_stage("train@0")


def _evaluate(workspace: Workspace, wrong: tuple[float, ...], *, elsewhere: bool) -> None:
    """Write what the gate reads of the stage `evaluate`."""
    split = read_test_split(workspace.folder / "data/prepare")
    sha256 = file_sha256(workspace.out("train@0") / "weights.safetensors")
    protocol = ScoringProtocol.of(section_with(EvaluateParams))
    model = {"model": "train-0", "weights_sha256": sha256, "calibration_error": 0.1}
    scores = {
        "test_sha256": "elsewhere" if elsewhere else split.sha256, "models": [model],
        "protocol": {"words": protocol.words, **asdict(protocol)},
    }  # fmt: skip
    facts = {
        "stage": "train@0", "folder": "data/train/0", "arm": "train", "seed": 0, "helps": False,
        "verdict": "Made by hand.", "metrics": {}, "weights_sha256": sha256,
    }  # fmt: skip
    files = {
        "challenger.json": json.dumps(facts), "scores.json": json.dumps(scores),
        "per_image.csv": per_image(split, wrong),
    }  # fmt: skip
    workspace.finish_stage("evaluate", fingerprint=sha256[:8], files=files)
    arrays: dict[str, Any] = {
        "confusion.train-0": count_wrong(split, wrong),
        "ids": np.array(split.ids),
    }
    np.savez_compressed(workspace.out("evaluate") / "confusions.npz", **arrays)
    workspace.lock_stage("evaluate")


def per_image(split: TestSplit, wrong: tuple[float, ...]) -> str:
    """Return the mIoU of each image as the stage writes it."""
    scores = [miou(counts) for counts in count_wrong(split, wrong)]
    rows = [f"{name},1,train-0,{score}" for name, score in zip(split.ids, scores, strict=True)]
    return "\n".join(["id,group,model,miou", *rows, ""])


def promote_to(version: str, **options: Any) -> PromotionResult:
    """Judge a version on this CPU and promote it where the gate lets it."""
    return promote(PromoteOptions(version=version, device="cpu", **options))
