"""The servers of one machine: closed to pages and strangers, and neither left behind nor taken along."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.request import Request, urlopen

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest

from pipelines._servers.access import read_access
from tests.limits import HANG_S

from .local_servers import HOST, QUIET, answer, free_port

ROOT = Path(__file__).parents[2]
EVIL = "http://evil.example"
pytestmark = pytest.mark.tools


class Servers:
    """`pipelines.servers` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ports = [free_port(), free_port()]
        self.prefect, self.mlflow = (f"http://{HOST}:{port}" for port in ports)
        self._arguments = ["--prefect-port", str(ports[0]), "--mlflow-port", str(ports[1])]
        self.log = folder / "out"
        self.process = self._start()

    def again(self) -> "subprocess.CompletedProcess[str]":
        """Run them a second time."""
        return self.command("pipelines.servers", *self._arguments)

    def command(
        self, module: str, *arguments: str, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in the checkout, as a person does who exported nothing."""
        return subprocess.run(
            [sys.executable, "-m", module, *arguments], cwd=self.folder, env={**clean(), **variables},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def _start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.servers", *self._arguments], cwd=self.folder, env=clean(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        while "Ctrl-C" not in self.log.read_text():
            assert process.poll() is None, self.log.read_text()
            time.sleep(0.2)
        return process


def clean() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "PREFECT_"))}
    return {**kept, **QUIET, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    found = Servers(tmp_path_factory.mktemp("servers"))
    yield found
    found.process.terminate()
    assert found.process.wait(HANG_S) == 0


@pytest.fixture
def access(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Stand in the checkout of the servers, with no variable set, and return what its file says."""
    monkeypatch.chdir(servers.folder)
    found = read_access()
    for name in found:
        monkeypatch.setenv(name, "")  # restored afterwards, whatever the code under test sets
        monkeypatch.delenv(name)
    return found


def code(address: str, body: bytes | None = None, *, user: str = "", **headers: str) -> int:
    """Return the status of a GET, or of a POST of JSON."""
    if body is not None:
        headers["Content-Type"] = "application/json"
    return answer(Request(address, body, headers), user=user)[0]


def test_no_page_of_another_origin_reaches_prefect(servers: Servers) -> None:
    filters = f"{servers.prefect}/api/deployments/filter"
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    found, headers = answer(Request(filters, headers={"Origin": EVIL, **asked}, method="OPTIONS"))
    assert found == 403
    assert "access-control-allow-origin" not in headers
    assert code(filters, b"{}", Origin=EVIL) == 403
    own = {"Origin": servers.prefect.replace(HOST, "localhost"), **asked}
    assert answer(Request(filters, headers=own, method="OPTIONS"))[0] == 200


def test_prefect_answers_to_its_own_name_alone(servers: Servers, access: Mapping[str, str]) -> None:
    user = access["PREFECT_API_AUTH_STRING"]
    version = f"{servers.prefect}/api/admin/version"
    assert code(version, user=user) == 200
    assert code(version, user=user, Host="evil.example:4200") == 400


def test_prefect_tells_a_stranger_nothing_and_its_page_asks_for_the_password(
    servers: Servers, access: Mapping[str, str]
) -> None:
    filters = f"{servers.prefect}/api/flow_runs/filter"
    assert code(filters, b"{}") == 401
    assert code(filters, b"{}", user="ocrnet:guess") == 401
    assert code(filters, b"{}", user=access["PREFECT_API_AUTH_STRING"]) == 200
    assert code(f"{servers.prefect}/") == 200
    with urlopen(f"{servers.prefect}/ui-settings", timeout=20) as settings:
        assert json.load(settings)["auth"] == "BASIC"


def test_mlflow_asks_for_a_password_and_refuses_other_origins_and_hosts(
    servers: Servers, access: Mapping[str, str]
) -> None:
    user = f"{access['MLFLOW_TRACKING_USERNAME']}:{access['MLFLOW_TRACKING_PASSWORD']}"
    address = f"{servers.mlflow}/api/2.0/mlflow/experiments/search?max_results=1"
    assert code(address) == 401
    assert code(address, user=user) == 200
    assert code(address, user=user, Host="evil.example:5000") == 403
    made = f"{servers.mlflow}/api/2.0/mlflow/experiments/create"
    assert code(made, b'{"name": "x"}', user=user, Origin=EVIL) == 403


def test_the_passwords_are_in_a_file_of_the_owner_and_nowhere_else(
    servers: Servers, access: Mapping[str, str]
) -> None:
    secrets = [
        access["PREFECT_API_AUTH_STRING"].partition(":")[2],
        access["MLFLOW_TRACKING_PASSWORD"],
    ]
    assert all(len(secret) >= 24 for secret in secrets)
    state = servers.folder / ".state/prefect"
    assert (state / "servers.env").stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o077 == 0
    told = [
        path for path in servers.folder.rglob("*") if path.is_file() and path.name != "servers.env"
    ]
    lines = [path.read_bytes() for path in told]
    lines += [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in lines for secret in secrets if secret.encode() in line]


def test_commands_in_the_checkout_find_address_and_password(servers: Servers) -> None:
    run = "11111111-2222-3333-4444-555555555555"
    done = servers.command("pipelines.fetch_run", run)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1), (
        "the server was asked, and has no such run"
    )
    assert run in done.stderr
    done = servers.command("pipelines.fetch_run", run, PREFECT_API_AUTH_STRING="ocrnet:wrong")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "PREFECT_API_AUTH_STRING is wrong" in done.stderr
    assert "servers.env" in done.stderr


def test_a_port_that_is_taken_is_told_with_its_holder_and_the_option(servers: Servers) -> None:
    done = servers.again()
    assert done.returncode == 75
    assert "--prefect-port" in done.stderr
    assert "--mlflow-port" in done.stderr
    assert "process" in done.stderr
    assert not done.stdout


SUPERVISED = """
import sys
from pathlib import Path
from pipelines._servers import supervisor

supervisor.RESTARTS = 2
names = dict(zip("AB", sys.argv[1:]))
command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1"]
servers = [supervisor.Server(name, [*command, port], int(port), "/", f"--{name}") for name, port in names.items()]
import os
with supervisor.Supervisor(dict(os.environ), Path("log")) as supervisor:
    supervisor.start(servers)
    print("ready", flush=True)
    supervisor.watch()
"""


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", list[int]]]:
    """Run two small servers, and return their supervisor with their ports."""
    ports = [free_port(), free_port()]
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISED, *map(str, ports)], cwd=tmp_path, env=clean(),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == "ready\n"
        yield process, ports
        process.kill()


def listener(port: int) -> int:
    """Return the process that listens on a port, waiting for one."""
    ends = time.monotonic() + HANG_S
    while True:
        for one in psutil.net_connections("tcp"):
            if one.status == "LISTEN" and one.laddr.port == port and one.pid:
                return int(one.pid)
        assert time.monotonic() < ends
        time.sleep(0.1)


def test_killed_it_takes_its_servers_with_it(
    supervised: tuple["subprocess.Popen[str]", list[int]],
) -> None:
    process, ports = supervised
    process.send_signal(signal.SIGKILL)
    ends = time.monotonic() + HANG_S
    while any(code(f"http://{HOST}:{port}") for port in ports):
        assert time.monotonic() < ends
        time.sleep(0.1)


def test_a_server_that_dies_is_started_again_within_limits_and_takes_none_along(
    supervised: tuple["subprocess.Popen[str]", list[int]],
) -> None:
    process, (port, other) = supervised
    assert process.stdout is not None
    beside = listener(other)
    for _ in range(2):
        os.kill(listener(port), signal.SIGKILL)
        assert "A died and is started again" in process.stdout.readline()
        wait_answer(port)
    os.kill(listener(port), signal.SIGKILL)
    assert "A died 3 times and is not started again" in process.stdout.readline()
    assert process.poll() is None
    assert listener(other) == beside


def wait_answer(port: int) -> None:
    ends = time.monotonic() + HANG_S
    while not code(f"http://{HOST}:{port}"):
        assert time.monotonic() < ends
        time.sleep(0.1)
