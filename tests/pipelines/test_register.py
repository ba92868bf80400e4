"""The challenger in the registry: registered once, and served from its version alone with pickle disallowed."""

import base64
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask

from ocrnet.bundles.bundle import ModelCard, save_bundle
from ocrnet.data.manifest import ClassTable, file_sha256
from ocrnet.inference.predict import Segmenter, load_segmenter
from ocrnet.models import build_segmenter
from ocrnet.objects.object_map import components
from pipelines._mlflow import publish
from pipelines._mlflow.registry import REQUIREMENTS, requirements, signature
from pipelines._mlflow.sent_record import SENT_FILE
from tests.limits import HANG_S

from .store import Store, copy_empty_store
from .workspace import Workspace

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
STAGE = "retrain@gan-0"
TABLE = ClassTable(("plate", "scratch", "crack"), ((0, 0, 0), (200, 0, 0), (0, 0, 200)))
OPTIONS: dict[str, Any] = {
    "backbone": "hrnet_w18_small",
    "mid_channels": 16,
    "key_channels": 8,
    "dropout": 0.0,
}
MODEL = "models:/toy-segmenter@challenger"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A repository whose challenger is published."""
    yield from published(tmp_path_factory, things=())


def published(
    tmp_path_factory: pytest.TempPathFactory, *, things: tuple[str, ...]
) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("registry")
    copy_empty_store(tmp_path_factory, folder / "mlflow.db")
    workspace = Workspace(folder, f"sqlite:///{folder}/mlflow.db")
    workspace.finish_stage(STAGE, metrics={"val/mIoU": 0.5}, params={"data.exif": "apply"})
    torch.manual_seed(0)
    model = build_segmenter("ocrnet", num_classes=3, **OPTIONS)
    if (
        things
    ):  # an untrained network gives one class everywhere; so each class gets a third of the pixels
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


@pytest.fixture
def store(workspace: Workspace) -> Store:
    return Store(workspace.folder / "mlflow.db")


@pytest.fixture(scope="module")
def segmenter(workspace: Workspace) -> Segmenter:
    return load_segmenter(workspace.out(STAGE))


def test_the_model_holds_no_pickle_and_names_what_it_needs(workspace: Workspace) -> None:
    """This is the first test: who loads the model leaves Python's compiled files beside its code."""
    (model,) = (workspace.folder / "mlartifacts" / "models").iterdir()
    files = [path for path in model.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in {".pkl", ".pickle", ".pt", ".pyc"}]
    needed = (model / "artifacts" / "requirements.txt").read_text()
    assert f"torch=={torch.__version__.partition('+')[0]}" in needed
    graph = grimp.build_graph("ocrnet", include_external_packages=True, cache_dir=None)
    imported = graph.find_upstream_modules("ocrnet.inference.predict") | {
        "torchvision"
    }  # timm needs it
    imported |= graph.find_upstream_modules("ocrnet.data.decode")
    names = {"PIL": "pillow", "cv2": "opencv-python-headless", "ruamel": "ruamel.yaml"}
    for module in {name for name in imported if "." not in name} - {
        *sys.stdlib_module_names,
        "ocrnet",
    }:
        assert f"{names.get(module, module)}==" in needed


def test_the_version_says_where_it_comes_from_and_how_good_it_is(
    workspace: Workspace, store: Store
) -> None:
    tags = dict(store.query("SELECT key, value FROM model_version_tags WHERE version = 1"))
    assert tags["weights_sha256"] == file_sha256(workspace.out(STAGE) / "weights.safetensors")
    assert tags["dvc.stage_key"] == store.run(STAGE).tags["dvc.stage_key"]
    assert json.loads(tags["metrics"]) == {"test/mIoU": 0.61}
    assert tags["verdict"] == "The pairs helped."
    ((run, card),) = store.query("SELECT run_id, description FROM model_versions")
    assert run == store.run(STAGE).id
    assert "The pairs helped." in card
    assert "plate, scratch, crack" in card


def test_it_is_registered_once_whatever_the_record_of_what_was_sent_says(
    workspace: Workspace, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish.publish() == 0
    assert "nothing to send" in capsys.readouterr().out
    (workspace.folder / SENT_FILE).unlink()
    assert publish.publish() == 0
    assert store.query("SELECT version FROM model_versions") == [(1,)]


def test_a_new_verdict_on_the_same_weights_changes_the_version_not_the_count(
    workspace: Workspace, store: Store
) -> None:
    evaluate(workspace, verdict="They did not help.")
    assert publish.publish() == 0
    ((version, card),) = store.query("SELECT version, description FROM model_versions")
    assert "They did not help." in card
    alias = store.query("SELECT alias, version FROM registered_model_aliases")
    assert alias == [("challenger", version)]


def test_a_lost_alias_is_noticed_and_set_again(
    workspace: Workspace, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    MlflowClient(workspace.uri).delete_registered_model_alias("toy-segmenter", "challenger")
    assert publish.publish() == 0
    assert "nothing to send" not in capsys.readouterr().out
    assert len(store.query("SELECT * FROM registered_model_aliases")) == 1


def test_mlflow_predict_gives_the_label_map_of_the_bundle(
    workspace: Workspace, segmenter: Segmenter
) -> None:
    (workspace.folder / "request.json").write_text(json.dumps(request(IMAGES)))
    run_mlflow(
        workspace, "models", "predict", "--model-uri", MODEL, "--env-manager", "local",
        "--content-type", "json", "--input-path", "request.json", "--output-path", "answer.json",
    )  # fmt: skip
    answer = json.loads((workspace.folder / "answer.json").read_text())
    assert_label_maps(answer, segmenter)


def test_mlflow_serve_answers_over_http(workspace: Workspace, segmenter: Segmenter) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (workspace.folder / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [
                sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", MODEL,
                "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            ],
            cwd=workspace.folder, env=without_pickle(workspace), stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{address}/ping")
        assert_label_maps(post(f"{address}/invocations", request(IMAGES)), segmenter)
        run_documented_client(workspace.folder, address, segmenter)
        large = io.BytesIO()
        Image.new("1", (7000, 7000)).save(large, format="PNG")
        for content, code in ((b"no image", "E121"), (large.getvalue(), "E124")):
            broken = {"dataframe_records": [{"image": base64.b64encode(content).decode()}]}
            with pytest.raises(urllib.error.HTTPError, match="400") as refused:
                post(f"{address}/invocations", broken)
            told = refused.value.read().decode()
            assert code in told
            assert not re.search(r"Traceback|stack_trace|/tmp|\.py\b|site-packages", told)
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=HANG_S)


def run_documented_client(folder: Path, address: str, segmenter: Segmenter) -> None:
    """The client of docs/predict.md, run as it stands, gets the label map of the bundle."""
    page = (Path(__file__).parents[2] / "docs" / "predict.md").read_text()
    (client,) = re.findall(r"A client in Python:\n\n```python\n(.*?)```", page, re.DOTALL)
    Image.fromarray(IMAGES[1]).save(folder / "part.png")
    code = client.replace("http://127.0.0.1:8080", address) + "label_map.save('answer.png')\n"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, timeout=HANG_S)
    answer = np.asarray(Image.open(folder / "answer.png"))
    assert np.array_equal(answer, segmenter.label_map_of_file(folder / "part.png"))


def test_weights_that_are_not_those_of_the_challenger_are_not_registered(
    workspace: Workspace, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(workspace, verdict="Other.", weights_sha256="0" * 64)
    assert publish.publish() == 3
    assert "weights.safetensors is not what" in capsys.readouterr().err
    assert len(store.query("SELECT version FROM model_versions")) == 1


@pytest.fixture(scope="module")
def with_things(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A repository whose challenger tells objects of two classes apart, and is published."""
    yield from published(tmp_path_factory, things=("scratch", "crack"))


def test_a_model_with_thing_classes_answers_with_its_objects(with_things: Workspace) -> None:
    """The objects are checked against the label map of the same answer: its components of twelve pixels or more."""
    asked = {**request(IMAGES), "params": {"min_object_area": 12}}
    (with_things.folder / "request.json").write_text(json.dumps(asked))
    run_mlflow(
        with_things, "models", "predict", "--model-uri", MODEL, "--env-manager", "local",
        "--content-type", "json", "--input-path", "request.json", "--output-path", "answer.json",
    )  # fmt: skip
    answer = json.loads((with_things.folder / "answer.json").read_text())
    for row, image in zip(answer["predictions"], IMAGES, strict=True):
        label_map = np.array(Image.open(io.BytesIO(base64.b64decode(row["label_map"]))))
        assert label_map.shape == image.shape[:2]
        parts = components(label_map, (1, 2))
        assert len(row["objects"]) == int((parts.areas >= 12).sum()) > 0
        scores = [one["score"] for one in row["objects"]]
        assert scores == sorted(scores, reverse=True)
        for one in row["objects"]:
            runs: Any = {**one["segmentation"], "counts": one["segmentation"]["counts"].encode()}
            mask = coco_mask.decode(runs).astype(np.bool_)
            assert one["area"] == mask.sum() >= 12
            assert set(label_map[mask]) == {TABLE.class_names.index(one["class"])}
            assert len(np.unique(parts.numbers[mask])) == 1
            rows, columns = np.nonzero(mask)
            left, top, width, height = one["box"]
            assert (columns.min(), rows.min()) == (left, top)
            assert (columns.max() + 1, rows.max() + 1) == (left + width, top + height)


def test_what_a_model_with_thing_classes_needs_and_says(with_things: Workspace) -> None:
    """Packages and columns of a model without thing classes stay as they were."""
    from mlflow.models import Model

    (folder,) = (with_things.folder / "mlartifacts" / "models").iterdir()
    needed = (folder / "artifacts" / "requirements.txt").read_text()
    graph = grimp.build_graph("ocrnet", include_external_packages=True, cache_dir=None)
    modules = graph.find_upstream_modules("ocrnet.predict_files.objects")
    for module in ("scipy", "pycocotools"):
        assert module in modules
        assert f"{module}==" in needed
    found = Model.load(str(folder / "artifacts")).signature
    assert [column.name for column in found.outputs] == ["label_map", "objects"]
    assert [(one.name, one.default) for one in found.params] == [("min_object_area", 1)]
    assert [column.name for column in signature().outputs] == ["label_map"]
    assert signature().params is None
    assert {line.partition("==")[0] for line in requirements()} == set(REQUIREMENTS)
    ((card,),) = Store(with_things.folder / "mlflow.db").query("SELECT description FROM model_versions")  # fmt: skip
    assert "**Objects** of scratch, crack" in card


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


def assert_label_maps(answer: dict[str, Any], segmenter: Segmenter) -> None:
    for row, image in zip(answer["predictions"], IMAGES, strict=True):
        decoded = Image.open(io.BytesIO(base64.b64decode(row["label_map"])))
        assert decoded.format == "PNG"
        label_map = np.array(decoded)
        assert (label_map == segmenter.label_map(image)).mean() > 0.999  # other thread counts
        assert tuple((decoded.getpalette() or [])[3:6]) == TABLE.palette[1]


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


def wait_until_ready(address: str) -> None:
    end = time.monotonic() + HANG_S
    while True:
        try:
            urllib.request.urlopen(address, timeout=2).close()
        except OSError:
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.2)
        else:
            return


def post(address: str, content: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(address, json.dumps(content).encode(), headers)
    with urllib.request.urlopen(asked, timeout=HANG_S) as answer:
        loaded: dict[str, Any] = json.load(answer)
        return loaded
