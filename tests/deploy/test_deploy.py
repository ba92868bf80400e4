"""What `deploy/` holds is read by the tool that it is for; a file that no tool here reads is held against its rules."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from ruamel.yaml import YAML

from tests.pipelines.local_servers import find_command

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SECRETS = re.compile(r"(PASSWORD|SECRET|AUTH_STRING|TOKEN)", re.I)
UNITS = ["ocrnet-worker@.service", "ocrnet-worker-cpu.service", "ocrnet-workers.target"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(DEPLOY / "compose.yaml")
    return loaded


def example() -> dict[str, str]:
    """Return the variables of `.env.example`."""
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def run_compose(env_file: Path) -> "subprocess.CompletedProcess[str]":
    """Let Docker Compose read the file; its older command needs no daemon either."""
    command = ["docker", "compose"]
    asked = [*command, "version"]
    if (
        not shutil.which("docker")
        or subprocess.run(asked, capture_output=True, check=False).returncode
    ):
        command = [find_command("docker-compose", "docker-compose")]
    return subprocess.run(
        [*command, "--env-file", str(env_file), "--file", str(DEPLOY / "compose.yaml"), "config"],
        capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"], "HOME": str(env_file.parent)},
    )  # fmt: skip


@pytest.mark.slow
def test_compose_reads_the_file_once_every_secret_is_set(tmp_path: Path) -> None:
    filled = tmp_path / "filled.env"
    filled.write_text(
        "\n".join(f"{name}={value or 'x' + name}" for name, value in example().items())
    )
    done = run_compose(filled)
    assert done.returncode == 0, done.stderr
    read = YAML(typ="safe").load(done.stdout)
    assert set(read["services"]) == {"postgres", "mlflow", "prefect"}
    assert read["services"]["mlflow"]["environment"]["PGPASSWORD"] == "xMLFLOW_DATABASE_PASSWORD"


@pytest.mark.slow
def test_compose_refuses_to_start_with_a_secret_left_empty(tmp_path: Path) -> None:
    done = run_compose(DEPLOY / ".env.example")
    assert done.returncode != 0
    assert "set it in deploy/.env" in done.stderr


def test_every_variable_of_the_file_is_explained_in_the_example(compose: dict[str, Any]) -> None:
    used = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert used == set(example()) - {"COMPOSE_PROJECT_NAME"}


def test_no_secret_is_in_a_file_or_on_a_command_line(compose: dict[str, Any]) -> None:
    assert not [name for name, value in example().items() if SECRETS.search(name) and value]
    for service in compose["services"].values():
        assert "${" not in " ".join(service.get("command", []))
        for name, value in service["environment"].items():
            if SECRETS.search(name) and "PICKLE" not in name:
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value), f"{name}: a default is no secret"
    ignored = subprocess.run(
        ["git", "check-ignore", "--quiet", "deploy/.env"], cwd=ROOT, check=False
    ).returncode
    assert ignored == 0


def test_the_servers_listen_locally_by_default_and_wait_for_the_database(
    compose: dict[str, Any],
) -> None:
    assert "ports" not in compose["services"]["postgres"]
    for name in ("mlflow", "prefect"):
        service = compose["services"][name]
        assert all(port.startswith("${BIND_ADDRESS:-127.0.0.1}:") for port in service["ports"])
        assert service["depends_on"] == {"postgres": {"condition": "service_healthy"}}


@pytest.mark.tools
@pytest.mark.filterwarnings("ignore")
def test_mlflow_reads_its_users_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.server.auth.config import read_auth_config

    for name in ("MLFLOW_AUTH_ADMIN_USERNAME", "MLFLOW_AUTH_ADMIN_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", str(DEPLOY / "mlflow/basic_auth.ini"))
    read = read_auth_config()
    assert read.auth_cache_ttl_seconds == 60
    assert read.admin_password is None
    assert read.default_permission == "READ"
    assert read.grant_default_workspace_access is True
    module, _, function = read.authorization_function.partition(":")
    monkeypatch.setenv("MLFLOW_FLASK_SERVER_SECRET_KEY", "x")
    assert hasattr(importlib.import_module(module), function)


@pytest.mark.tools
@pytest.mark.filterwarnings("ignore")
def test_prefect_fills_in_every_place_of_the_pool_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    from prefect.server.schemas.actions import WorkPoolCreate
    from prefect.utilities.schema_tools.validation import is_valid_schema, validate
    from prefect.utilities.templating import apply_values
    from prefect.workers.base import BaseJobConfiguration

    template = json.loads((DEPLOY / "kubernetes/gpu-pool.json").read_text())
    WorkPoolCreate(name="gpu", type="kubernetes", base_job_template=template)
    is_valid_schema(template["variables"])
    assert validate({"image": "i", "gpus": 0}, template["variables"]), "a job without a GPU"
    given = {"image": "registry/ocrnet:1", "gpus": 2, "name": "stage"}
    assert not validate(given, template["variables"])
    values = {**defaults(template), **given}
    filled = apply_values(template["job_configuration"], values, remove_notset=True)
    assert BaseJobConfiguration(**filled).name == "stage"
    assert "{{" not in json.dumps(filled)
    (container,) = filled["job_manifest"]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 2
    assert container["resources"]["requests"]["nvidia.com/gpu"] == 2
    assert container["image"] == "registry/ocrnet:1"


def defaults(template: dict[str, Any]) -> dict[str, Any]:
    """Return what a worker fills in where a deployment says nothing."""
    properties = template["variables"]["properties"].items()
    return {name: about["default"] for name, about in properties if "default" in about}


def test_every_variable_of_the_pool_template_has_an_effect() -> None:
    template = json.loads((DEPLOY / "kubernetes/gpu-pool.json").read_text())
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"])))
    assert used == set(template["variables"]["properties"])


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_takes_the_units(tmp_path: Path, unit: str) -> None:
    analyze = find_command("systemd-analyze", "systemd")
    folder = tmp_path / "opt"
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    for name in UNITS:
        text = (DEPLOY / "systemd" / name).read_text().replace("/opt/ocrnet", str(folder))
        (tmp_path / name.replace("@.", "@0.")).write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / unit.replace("@.", "@0."))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip(), "a key that systemd does not know is only warned of"


def test_the_command_of_the_units_is_one_that_there_is() -> None:
    from pipelines.workers import _parser

    for unit in UNITS[:2]:
        (line,) = re.findall(r"^ExecStart=(.*)$", (DEPLOY / "systemd" / unit).read_text(), re.M)
        _, flag, module, *arguments = line.replace("%i", "0").split()
        assert (flag, module) == ("-m", "pipelines.workers")
        assert _parser().parse_args(arguments).pool


IMAGES = ["Dockerfile", "predict.Dockerfile"]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_installs_from_the_lock_by_hash_and_copies_what_docker_may_see(name: str) -> None:
    text = (DEPLOY / name).read_text()
    assert "--require-hashes" in text
    seen = re.findall(r"^!(\S+)", (DEPLOY / f"{name}.dockerignore").read_text(), re.M)
    copied = re.findall(r"^COPY (\S+) ", text, re.M)
    assert set(copied) == set(seen)
    for source in copied:
        assert (ROOT / source).exists(), source


def test_the_lock_holds_what_the_servers_need_beside_mlflow_and_prefect() -> None:
    lines = re.findall(r"^([a-z][^ ;]*)", (ROOT / "requirements.lock").read_text(), re.M)
    names = {Requirement(line).name for line in lines}
    assert {"mlflow", "prefect", "flask-wtf", "psycopg2-binary", "asyncpg"} <= names


def test_the_image_for_prediction_has_all_that_its_command_imports(tmp_path: Path) -> None:
    """Its entry point, run in an empty folder on a copy of what the image copies."""
    text = (DEPLOY / "predict.Dockerfile").read_text()
    for source in re.findall(r"^COPY (\S+) ", text, re.M):
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, tmp_path / source)
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", text, re.M)
    command = [sys.executable, *json.loads(entry)[1:]]
    (tmp_path / "work").mkdir()
    for arguments, told in ((["--version"], "version 0."), (["predict", "--help"], "SOURCE...")):
        done = subprocess.run(
            [*command, *arguments], cwd=tmp_path / "work", capture_output=True, text=True, check=True,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
        )  # fmt: skip
        assert told in done.stdout
