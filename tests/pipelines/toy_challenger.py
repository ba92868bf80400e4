"""A repository whose challenger is published, and requests to its registered model."""

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from ocrnet.bundles.bundle import save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.data.manifest import ClassTable, file_sha256
from ocrnet.models import build_segmenter
from pipelines._mlflow import publish
from tests.limits import HANG_S

from .store import copy_empty_store
from .workspace import Workspace

STAGE = "retrain@gan-0"
TABLE = ClassTable(("plate", "scratch", "crack"), ((0, 0, 0), (200, 0, 0), (0, 0, 200)))
OPTIONS: dict[str, Any] = {
    "backbone": "hrnet_w18_small",
    "mid_channels": 16,
    "key_channels": 8,
    "dropout": 0.0,
}
MODEL = "models:/toy-segmenter@challenger"


def published(
    tmp_path_factory: pytest.TempPathFactory, *, things: tuple[str, ...]
) -> Iterator[Workspace]:
    """Yield a repository whose challenger is published; its bundle has these thing classes."""
    folder = tmp_path_factory.mktemp("registry")
    copy_empty_store(tmp_path_factory, folder / "mlflow.db")
    workspace = Workspace(folder, f"sqlite:///{folder}/mlflow.db")
    workspace.finish_stage(STAGE, metrics={"val/mIoU": 0.5}, params={"data.exif": "apply"})
    torch.manual_seed(0)
    model = build_segmenter("ocrnet", num_classes=3, **OPTIONS)
    if things:
        # An untrained network gives one class everywhere; with this bias each class gets a third of the pixels.
        with torch.no_grad():
            model.get_parameter("head.classify.bias").sub_(torch.tensor([2.05, 0.97, -0.29]))
    card = ModelCard("ocrnet", OPTIONS, TABLE, things=things)
    save_bundle(workspace.out(STAGE), card, model.state_dict())
    workspace.lock_stage(STAGE)
    evaluate(workspace, verdict="The pairs helped.")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", workspace.uri)
        assert publish.publish() == 0
        yield workspace


def pixels(height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


IMAGES = [pixels(96, 128), pixels(70, 51)]


def request(images: list[npt.NDArray[np.uint8]]) -> dict[str, Any]:
    encoded = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="PNG")
        encoded.append({"image": base64.b64encode(buffer.getvalue()).decode()})
    return {"dataframe_records": encoded}


def evaluate(workspace: Workspace, *, verdict: str, weights_sha256: str | None = None) -> None:
    """Write what the stage `evaluate` leaves."""
    out = workspace.out(STAGE)
    facts = {
        "stage": STAGE, "folder": "data/retrain/gan-0", "arm": "gan", "seed": 0, "helps": True,
        "verdict": verdict, "metrics": {"test/mIoU": 0.61},
        "weights_sha256": weights_sha256 or file_sha256(out / "weights.safetensors"),
    }  # fmt: skip
    files = {"challenger.json": json.dumps(facts)}
    workspace.finish_stage("evaluate", metrics={"test/gan-0/mIoU": 0.61}, files=files)


def without_pickle(workspace: Workspace) -> dict[str, str]:
    """Return an environment in which the library comes from the model, not from the repository."""
    environment = {**workspace.environment, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    del environment["PYTHONPATH"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"  # of uvicorn
    return {**environment, "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": path}


def run_mlflow(workspace: Workspace, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "mlflow", *arguments],
        cwd=workspace.folder,
        env=without_pickle(workspace),
        check=True,
        timeout=HANG_S,
    )
