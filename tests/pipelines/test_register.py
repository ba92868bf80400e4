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
import pytest
import torch
from PIL import Image

from ocrnet.data.manifest import file_sha256
from ocrnet.inference.predict import Segmenter, load_segmenter
from pipelines._mlflow import publish
from pipelines._mlflow.sent_record import SENT_FILE
from tests.limits import HANG_S

from .store import Store
from .toy_challenger import (
    IMAGES,
    MODEL,
    STAGE,
    TABLE,
    evaluate,
    published,
    request,
    run_mlflow,
    without_pickle,
)
from .workspace import Workspace

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A repository whose challenger is published."""
    yield from published(tmp_path_factory, things=())


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


def assert_label_maps(answer: dict[str, Any], segmenter: Segmenter) -> None:
    for row, image in zip(answer["predictions"], IMAGES, strict=True):
        decoded = Image.open(io.BytesIO(base64.b64decode(row["label_map"])))
        assert decoded.format == "PNG"
        label_map = np.array(decoded)
        assert (label_map == segmenter.label_map(image)).mean() > 0.999  # other thread counts
        assert tuple((decoded.getpalette() or [])[3:6]) == TABLE.palette[1]


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
