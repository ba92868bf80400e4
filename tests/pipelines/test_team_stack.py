"""The stack of `deploy/` for real: passwords hold, remotes carry a stage from clone to clone, nothing leaks."""

import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.limits import HANG_S

from .flows.toy import CELLS, PARAMS, Toy, make_toy
from .local_servers import HOST, QUIET, free_port, running, status
from .remotes import Remote, run_s3, run_ssh
from .team_stack import DEPLOY, TeamStack, run_team_stack
from .workspace import Workspace

pytestmark = [
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.tools,
    pytest.mark.filterwarnings("ignore"),  # of mlflow at import
]
PASSWORD = "correct-horse-battery"
# Says how often it ran in a file that no clone holds.
TOY = """
stages:
  draw: {cmd: "echo ran >> $COUNT && mkdir -p out && cp seed out/a && echo 8 > out/b", deps: [seed], outs: [out]}
  total: {cmd: "cat out/a out/b > sum", deps: [out], outs: [sum]}
"""


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TeamStack]:
    with run_team_stack(tmp_path_factory.mktemp("team")) as stack:
        make_user(stack, "ann", PASSWORD)
        yield stack


def make_user(team: TeamStack, name: str, password: str) -> None:
    """Let the administrator make a user."""
    asked = Request(
        f"{team.mlflow}/api/2.0/mlflow/users/create",
        json.dumps({"username": name, "password": password}).encode(),
        {
            "Content-Type": "application/json",
            "Authorization": f"Basic {b64encode(team.admin.encode()).decode()}",
        },
    )
    urlopen(asked, timeout=HANG_S).close()


def test_both_servers_want_a_password_and_answer_with_it(team: TeamStack) -> None:
    mlflow = f"{team.mlflow}/api/2.0/mlflow/experiments/search?max_results=1"
    prefect = f"{team.prefect}/admin/version"
    assert [status(address) for address in (mlflow, prefect)] == [401, 401]
    assert [status(address, user="ann:wrong") for address in (mlflow, prefect)] == [401, 401]
    assert status(mlflow, user=team.admin) == 200
    assert status(mlflow, user=f"ann:{PASSWORD}") == 200
    assert status(prefect, user=team.prefect_auth) == 200


def test_mlflow_refuses_a_host_name_that_is_not_its_own(team: TeamStack) -> None:
    """Else a page of the web could let a browser talk to it under a name of its own (DNS rebinding)."""
    address = f"{team.mlflow}/api/2.0/mlflow/experiments/search?max_results=1"
    assert status(address, user=team.admin, Host="evil.example") == 403


def test_the_probe_takes_a_locked_door_for_life_and_a_closed_port_for_none(team: TeamStack) -> None:
    def probe(address: str) -> int:
        command = [sys.executable, str(DEPLOY / "answers.py"), address]
        return subprocess.run(command, check=False).returncode

    assert probe(f"{team.mlflow}/health") == 0
    assert probe(f"{team.prefect}/health") == 0
    assert probe(f"http://{HOST}:{free_port()}/health") == 1


def test_each_server_writes_to_its_own_database(team: TeamStack) -> None:
    """A server that fell back to a file of SQLite would answer just as well."""
    assert "CREATE TABLE public.registered_models" in team.postgres.dump("mlflow")
    assert "CREATE TABLE public.flow_run" in team.postgres.dump("prefect")
    stray = [path for path in team.logs.parent.rglob("*.db") if path.name != "empty.db"]
    assert not stray


@pytest.mark.parametrize("place", ["environment", "address"])
def test_publish_works_with_a_password_which_is_written_nowhere(
    team: TeamStack, tmp_path: Path, place: str
) -> None:
    uri = team.mlflow if place == "environment" else team.mlflow.replace("//", f"//ann:{PASSWORD}@")
    workspace = Workspace(tmp_path, uri)
    workspace.finish_stage("train@0", [(0, {"train/loss": 1.0})], metrics={"val/mIoU": 0.5},
                           files={f"{place}.txt": "kept"}, fingerprint=place)  # fmt: skip
    variables = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
    if place == "environment":
        variables |= {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    done = workspace.publish(**variables)
    assert "sent train@0" in done.stdout, done.stderr
    assert done.stderr == ""
    assert "nothing to send" in workspace.publish(**variables).stdout
    assert [path for path in team.artifacts.rglob(f"{place}.txt")], "the proxy stores artifacts"
    needle = PASSWORD.encode()
    files = [
        path for path in [*tmp_path.rglob("*"), *team.logs.parent.rglob("*")] if path.is_file()
    ]
    assert not [path for path in files if needle in path.read_bytes()]
    assert PASSWORD not in done.stdout + done.stderr
    dump = team.postgres.dump("mlflow")
    assert place in dump
    assert PASSWORD not in dump


def test_no_log_of_the_servers_holds_a_password(team: TeamStack) -> None:
    secrets = secrets_of(team)
    for log in team.logs.glob("*.log"):
        text = log.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], log.name


def test_no_command_line_holds_a_password(team: TeamStack) -> None:
    """Every user of a machine sees the command lines of all."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    secrets = secrets_of(team)
    assert not [secret for secret in secrets if secret in found]


def secrets_of(team: TeamStack) -> list[str]:
    """Return every password that the stack was started with."""
    users = [text.partition(":")[2] for text in (team.admin, team.prefect_auth)]
    return [*team.postgres.passwords.values(), *users, PASSWORD]


@pytest.mark.parametrize("kind", ["s3", "ssh"])
def test_a_stage_goes_from_clone_to_clone_by_the_run_cache(tmp_path: Path, kind: str) -> None:
    """Without a dvc.lock: the second clone has nothing but the commit and the remote."""
    servers: dict[str, AbstractContextManager[Remote]] = {
        "s3": run_s3(tmp_path),
        "ssh": run_ssh(tmp_path),
    }
    with servers[kind] as remote:
        first = Clone(tmp_path, "first", remote)
        first.dvc("repro")
        first.dvc("push", "--run-cache")
        second = Clone(tmp_path, "second", remote)
        told = second.dvc("repro", "--pull", "total")
        assert re.findall(r"Stage '(\w+)' is cached", told) == ["draw", "total"]
        assert (second.folder / "sum").read_text() == "7\n8\n"
        assert second.count.read_text().splitlines() == ["ran"]
        locks = [clone.folder / "dvc.lock" for clone in (first, second)]
        assert locks[0].read_bytes() == locks[1].read_bytes()


def test_two_machines_run_one_pipeline_and_share_nothing_but_servers_git_and_remote(
    team: TeamStack, tmp_path: Path
) -> None:
    """By one kind of remote; what the kinds differ in, the run cache, is tested of each by itself."""
    with run_s3(tmp_path) as remote, ExitStack() as ending:
        toy = toy_on(remote, tmp_path / "toy")
        env = {
            **toy.environment, **QUIET, **remote.env, "PREFECT_API_URL": team.prefect,
            "PREFECT_API_AUTH_STRING": team.prefect_auth, "PREFECT_HOME": str(tmp_path / "user"),
        }  # fmt: skip
        (tmp_path / "diary").mkdir()
        deploy = [
            sys.executable,
            "-m",
            "pipelines.deploy",
            "--repository",
            str(toy.origin),
            "--needs",
            "gpu:gpus=0",
        ]
        toy.run(*deploy, cwd=toy.checkout, **env)
        for name in ("one", "two"):
            own = {
                "TOY_HOST": name, "TOY_DIARY": str(tmp_path / "diary"), "OCRNET_CLONES": str(tmp_path / name),
                "DVC_SITE_CACHE_DIR": str(tmp_path / f"site-{name}"), "PREFECT_HOME": str(tmp_path / f"home-{name}"),
            }  # fmt: skip
            pools = ["--pool", "gpu", *(["--pool", "pipelines"] if name == "one" else [])]
            command = [sys.executable, "-m", "pipelines.workers", "--name", name, *pools]
            ending.enter_context(running(command, tmp_path / f"{name}.log", env={**env, **own}))
        prefect = [sys.executable, "-m", "prefect", "deployment", "run", "pipeline/main"]
        command = [*prefect, "--param", "branch=done", "--watch"]
        told = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=HANG_S, check=False
        )
        assert "Completed" in told.stdout, told.stdout + told.stderr
        hosts = {stage: where(tmp_path / "diary" / stage) for stage in ("train@0", "train@1")}
        assert sorted(hosts.values()) == [["one"], ["two"]]
        assert where(tmp_path / "diary" / "evaluate") in (["one"], ["two"])
        colleague = toy.clone("colleague", "done")
        toy.run("dvc", "pull", "-q", cwd=colleague, **remote.env)
        assert (colleague / "data/evaluate/args.txt").read_text() == "data/evaluate 1 0"
        secret = team.prefect_auth.partition(":")[2].encode()
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert not [path for path in files if secret in path.read_bytes()]


def toy_on(remote: Remote, root: Path) -> Toy:
    """Return a toy repository whose commits name a remote, and whose cells take long enough for two machines."""
    toy = make_toy(root)
    for name, text in {"url": remote.url, **remote.settings}.items():
        toy.run("dvc", "remote", "modify", "-q", "store", name, text)
    toy.publish("main", CELLS, PARAMS.replace("steps: 2, nap: 0.1", "steps: 2, nap: 6"))
    return toy


def where(diary: Path) -> list[str]:
    """Return the machines on which a stage was started."""
    lines = [json.loads(line) for line in diary.read_text().splitlines()]
    return [line["host"] for line in lines if line["what"] == "start"]


class Clone:
    """A clone of a toy repository whose default remote is given.

    Args:
        root: holds all clones.
        name: of this one.
        remote: its remote.
    """

    def __init__(self, root: Path, name: str, remote: Remote) -> None:
        self.folder = root / name
        self.count = root / "count"
        self.folder.mkdir()
        self._env = {
            **os.environ, **QUIET, **remote.env, "COUNT": str(self.count), "GIT_CONFIG_GLOBAL": os.devnull,
            "DVC_SITE_CACHE_DIR": str(root / f"site-{name}"), "HOME": str(root),
        }  # fmt: skip
        subprocess.run(["git", "init", "-q", str(self.folder)], check=True)
        self.dvc("init")
        (self.folder / "dvc.yaml").write_text(TOY)
        (self.folder / "seed").write_text("7\n")  # a stage without dependencies has no run cache
        settings = {"url": remote.url, **remote.settings}
        lines = ["[core]", "remote = team", "['remote \"team\"']"]
        lines += [f"{name} = {text}" for name, text in settings.items()]
        (self.folder / ".dvc/config.local").write_text("\n".join(lines) + "\n")

    def dvc(self, *arguments: str) -> str:
        """Run DVC to its end and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *arguments], cwd=self.folder, env=self._env,
            capture_output=True, text=True, check=False, timeout=HANG_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
