"""A token in an address reaches no log, no parameter of Prefect and nothing that MLflow holds."""

import base64
import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.logging.loggers import disable_run_logger

from ocrnet.errors import DataError, ParamsError, RebuildError
from pipelines import deploy
from pipelines._command.secrets import has_secret, hide_secrets, secrets_of, without_credentials
from pipelines._rebuild.clone import check_out, clone, has_commit
from pipelines._repository.clones import hold_clone
from pipelines._repository.git import git
from pipelines.flows import command, pipeline, stage, watch
from tests.base_params import write_params
from tests.limits import HANG_S

from ..store import copy_empty_store
from ..workspace import PARAMS, Workspace
from .server import Server
from .toy import Toy, make_toy

TOKEN = "SECRETTOKEN"
TEXTS = (
    f"https://user:{TOKEN}@host/x.git", f"https://{TOKEN}@host/x", f"s3://KEY:SE/{TOKEN}+x@bucket/p",
    f"postgresql+psycopg2://u:{TOKEN}@h:5432/db", f"http://u:p%40{TOKEN}@h/x", f"http://u:p@{TOKEN}@h/x",
    f"https://a.blob/c?sv=1&sig={TOKEN}%3D&se=2", f"https://h/x?token={TOKEN}", f"ssh://git:{TOKEN}@h/x",
    f"https://h/x?a=1&X-Amz-Signature={TOKEN}", f"https://h/x?X-Amz-Credential={TOKEN}&X-Amz-Security-Token={TOKEN}",
    f"user:{TOKEN}@host:team/x.git",
)  # fmt: skip
LINES = (
    f"aws_secret_access_key = {TOKEN}", f"Authorization: Bearer {TOKEN}", f'{{"password": "{TOKEN}"}}',
    f"AccountKey={TOKEN};x", f"next=https%3A%2F%2Fu%3A{TOKEN}%40h%2Fx", f"[{{'url': 'http://u:{TOKEN}@h'}}]",
)  # fmt: skip
PLAIN = (
    "http://127.0.0.1:4200/api", "git@host:team/x.git", "ssh://git@host:22/x", "/srv/x", "dvc.yaml:retrain@gan-0: a",
    "http://h:5000/#/experiments/1@2", "num_tokens=64 key_channels=64", "s3://bucket/a@b", "https://host/o/r@v1",
)  # fmt: skip


@pytest.mark.parametrize("text", [*TEXTS, *LINES])
def test_a_secret_is_hidden_wherever_it_stands_in_a_text(text: str) -> None:
    assert TOKEN not in hide_secrets(f"fatal: '{text}' failed")
    assert TOKEN not in hide_secrets(text)
    assert has_secret({"a": [text]})


@pytest.mark.parametrize("address", TEXTS)
def test_an_address_is_stored_without_its_secret_and_the_secret_alone_is_known(
    address: str,
) -> None:
    clean = without_credentials(address)
    assert TOKEN not in clean
    assert without_credentials(clean) == clean
    for secret in secrets_of(address):
        assert secret not in hide_secrets(f"the server said {secret}", address)


@pytest.mark.parametrize("text", PLAIN)
def test_a_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert hide_secrets(text) == without_credentials(text) == text
    assert not has_secret(text)


def test_a_password_of_the_environment_is_hidden_in_any_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:p%40ss-of-ann@host")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:pass-of-admin")
    assert hide_secrets("p@ss-of-ann p%40ss-of-ann pass-of-admin") == "*** *** ***"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def nobody(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "HOME", "DVC_SITE_CACHE_DIR"):
        monkeypatch.setenv(name, toy.environment[name])
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def served(toy: Toy) -> Iterator[str]:
    """Serve the origin to whoever knows the token, and give its address with it."""
    toy.run("git", "update-server-info", cwd=toy.origin)
    wanted = "Basic " + base64.b64encode(f"user:{TOKEN}".encode()).decode()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(toy.origin))

        def do_GET(self) -> None:
            if self.headers.get("Authorization") == wanted:
                super().do_GET()
                return
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://user:{TOKEN}@127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.tools
def test_rebuild_clones_with_the_token_and_keeps_it_nowhere(
    toy: Toy, nobody: None, tmp_path: Path
) -> None:
    with served(toy) as address:
        into = tmp_path / "clone"
        clone(address, into)
        head = toy.run("git", "rev-parse", "HEAD").strip()
        check_out(into, head, address)
        assert has_commit(into, head, address)
        with pytest.raises(RebuildError, match="has no commit") as caught:
            check_out(into, "1" * 40, address)
    with pytest.raises(RebuildError, match="cannot be cloned") as gone:
        clone(address, tmp_path / "other")
    assert TOKEN not in str(caught.value) + str(gone.value)
    assert_nowhere(tmp_path)


@pytest.mark.tools
def test_what_deploy_says_of_a_repository_holds_no_token(
    toy: Toy, nobody: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(toy.checkout)
    with served(toy) as address:
        assert deploy.unpushed(address, "main") is None
        told = deploy.unpushed(address, "no-such-branch")
    with pytest.raises(DataError) as caught:
        deploy.unpushed(address, "main")
    assert told
    assert TOKEN not in told + str(caught.value)


@pytest.mark.tools
def test_a_flow_refuses_a_token_among_its_parameters(
    toy: Toy, nobody: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCRNET_CLONES", str(tmp_path / "clones"))
    address, store = f"http://user:{TOKEN}@127.0.0.1:9/x.git", f"s3://KEY:{TOKEN}@bucket"
    with disable_run_logger():
        ends = [
            pipeline.pipeline.fn(repository=address),
            stage.stage.fn(stage="a", repository=address, commit="0" * 40),
            watch.watch.fn(repository=address),
            pipeline.pipeline.fn(
                repository=str(toy.origin), overrides={"checkpoints.store": store}
            ),
        ]
    for end in ends:
        assert end.name == "Exit2"
        assert "docs/flows.md, Credentials" in str(end.message)
        assert TOKEN not in str(end.message)
    with pytest.raises(ParamsError, match="docs/flows"), hold_clone(address):
        pass
    assert_nowhere(tmp_path)


@pytest.mark.tools
def test_lines_of_a_stage_are_logged_without_a_token(
    toy: Toy, nobody: None, tmp_path: Path
) -> None:
    logged: list[str] = []
    with hold_clone(str(toy.origin), root=tmp_path) as held:
        (held.folder / "shout.py").write_text(f"print('no bucket: s3://KEY:{TOKEN}@bucket/a')")
        code, lines = command.run_module(held, "shout", log=logged.append)
        assert git(held.folder, "config", "remote.origin.url") == str(toy.origin)
    assert code == 0
    assert logged == lines == ["no bucket: s3://***@bucket/a"]


@pytest.mark.tools
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_publish_sends_addresses_without_their_token(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy_empty_store(tmp_path_factory, tmp_path / "mlflow.db")
    workspace = Workspace(tmp_path, f"sqlite:///{tmp_path}/mlflow.db")
    store = f"s3://KEY:{TOKEN}@bucket/checkpoints"
    write_params(tmp_path / "params.yaml", {**PARAMS, "checkpoints": {"store": store}})
    params = {"data.path": f"https://u:{TOKEN}@h/x", "model.pretrained": f"https://h/x?sig={TOKEN}"}
    workspace.finish_stage("train@0", [(1, {"train/loss": 1.0})], params=params)
    done = workspace.publish(AWS_SECRET_ACCESS_KEY=TOKEN)
    assert TOKEN not in done.stdout + done.stderr
    assert_nowhere(tmp_path / "mlartifacts")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as opened:
        assert not [line for line in opened.iterdump() if TOKEN in line]
    (sent,) = (tmp_path / "mlartifacts").rglob("provenance/params.yaml")
    assert "s3://***@bucket/checkpoints" in sent.read_text()


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.tools
def test_prefect_stores_the_address_of_a_deployment_without_its_token(
    server: Server, toy: Toy, nobody: None
) -> None:
    with served(toy) as address:
        done = toy.attempt(
            sys.executable, "-m", "pipelines.deploy", "--repository", address, PREFECT_API_URL=server.url,
            PATH=os.environ["PATH"],
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert "docs/flows.md, Credentials" in done.stderr
    answer = httpx.post(
        f"{server.url}/deployments/filter", json={}, timeout=HANG_S
    ).raise_for_status()
    assert TOKEN not in answer.text
    kept = {one["parameters"]["repository"] for one in answer.json()}
    assert without_credentials(address) in kept


def assert_nowhere(folder: Path) -> None:
    found = [
        path for path in folder.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()
    ]
    assert found == []
