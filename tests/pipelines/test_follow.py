"""The follower beside a stage that runs, with a real tracking server that is killed in the middle."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ocrnet.config.params_file import load_params
from tests.limits import HANG_S

from .store import Run, Store, copy_empty_store
from .workspace import Workspace

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
STAGE = "train@0"
# Runs until it is told to end, or for a number of steps; writes how long its steps took.
TOY = """
import json, sys, time
from pathlib import Path
from ocrnet.config.params_file import load_params
from pipelines._stage.dependencies import Node
from pipelines._stage.stage import Stage

first, steps, pause, live = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "live"
params = load_params(Path("params.yaml"))
publish = params.publish.model_copy(update={"live": live})
stage = Stage(
    name="train@0", cell=("0",), params=params.model_copy(update={"publish": publish}),
    out=Path("data/train/0"), node=Node(("seed",), {}, ("train.lr",), (), ()),
)
begin = time.monotonic()
recorder = stage.start_record()
lines = [json.dumps({"step": step, "train/loss": 1 / (step + 1)}) for step in range(first)]
recorder.restore({"lines": lines, "stamps": [f"{time.time():.3f}"] * first})
longest = 0.0
for step in range(first, steps):
    before = time.monotonic()
    recorder.log(step, {"train/loss": 1 / (step + 1)})
    longest = max(longest, time.monotonic() - before)
    time.sleep(pause)
    if Path("enough").exists():
        break
recorder.finish({"val/mIoU": 0.5})
print(json.dumps({"steps": step + 1, "seconds": time.monotonic() - begin, "longest": longest}))
"""


class Server:
    """A tracking server that can be killed and started again on its port and store."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._folder = folder
        self.file = folder / "server.db"
        self.store = Store(self.file)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1",
                    "--port", str(self.port), "--workers", "1",
                    "--backend-store-uri", f"sqlite:///{self.file}",
                    "--artifacts-destination", str(self._folder / "artifacts"),
                ],
                cwd=self._folder, stdout=log, stderr=log, start_new_session=True,
                env={
                    **os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                    "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": "",
                },
            )  # fmt: skip
        wait_for(self._answers, seconds=120)

    def kill(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    copy_empty_store(tmp_path_factory, server.file)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def workspace(tmp_path: Path, server: Server, request: pytest.FixtureRequest) -> Workspace:
    workspace = Workspace(tmp_path, server.uri)
    text = (
        (tmp_path / "params.yaml")
        .read_text()
        .replace("experiment: toy", f"experiment: {request.node.name}", 1)
    )
    (tmp_path / "params.yaml").write_text(text)
    return workspace


def test_a_server_killed_in_the_middle_costs_the_stage_nothing_and_loses_nothing(
    workspace: Workspace, server: Server
) -> None:
    alone = finish(start_toy(workspace, steps=60, pause=0.1, live=False))
    toy = start_toy(workspace)
    wait_for(lambda: len(points(server, workspace)) >= 5)  # it is live
    server.kill()
    time.sleep(8)  # attempts fail
    during = count_lines(workspace)
    time.sleep(2)
    assert count_lines(workspace) > during  # the stage goes on
    told = finish(toy, workspace)
    assert told["longest"] < 0.5
    assert told["seconds"] / told["steps"] < 1.25 * alone["seconds"] / alone["steps"]
    workspace.lock_stage(STAGE)

    away = workspace.publish()
    assert "not sent: train@0" in away.stderr
    assert "Nothing is lost" in away.stderr
    server.start()
    workspace.publish()
    expected = [(step, 1 / (step + 1)) for step in range(int(told["steps"]))]
    run = the_run(server, workspace)
    assert run.series("train/loss") == expected
    assert run.series("val/mIoU") == [(expected[-1][0], 0.5)]
    assert run.status == "FINISHED"


def test_a_stage_killed_and_resumed_continues_its_run_without_duplicates(
    workspace: Workspace, server: Server
) -> None:
    workspace.uri = server.uri.replace("http://", "http://ann:hunter2%21@")
    toy = start_toy(workspace)
    wait_for(lambda: len(points(server, workspace)) >= 5)
    toy.kill()
    toy.communicate()
    wait_for(lambda: the_run(server, workspace).status == "KILLED")
    sent = len(points(server, workspace))
    again = start_toy(workspace, first=3)  # from the checkpoint at step 3
    wait_for(lambda: the_run(server, workspace).status == "RUNNING")
    wait_for(lambda: count_lines(workspace) > sent)  # ended before, it would be another training
    told = finish(again, workspace)
    workspace.lock_stage(STAGE)
    done = workspace.publish()  # while the follower is at its end, or after it
    run = the_run(server, workspace)
    assert run.series("train/loss") == [
        (step, 1 / (step + 1)) for step in range(int(told["steps"]))
    ]
    assert run.status == "FINISHED"
    assert "dvc.stage_key" in run.tags
    again_done = workspace.publish()
    assert "nothing to send" in again_done.stdout
    assert not lives(workspace)
    assert the_run(server, workspace).points == run.points

    texts = [done.stdout, done.stderr, again_done.stdout, json.dumps([run.tags, run.params])]
    files = [path for path in workspace.folder.rglob("*") if path.is_file()]
    assert f"{STAGE}.log" in {path.name for path in files}
    texts += [path.read_text(errors="replace") for path in files]
    assert not [text for text in texts if "hunter2" in text]


def start_toy(
    workspace: Workspace,
    *,
    first: int = 0,
    steps: int = 10_000,
    pause: float = 0.1,
    live: bool = True,
) -> "subprocess.Popen[str]":
    (workspace.folder / "enough").unlink(missing_ok=True)
    arguments = [str(first), str(steps), str(pause), "live" if live else "alone"]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", TOY, *arguments],
        cwd=workspace.folder,
        env=workspace.environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(toy: "subprocess.Popen[str]", workspace: Workspace | None = None) -> dict[str, float]:
    """Let the toy stage end by itself, or now, and return what it says."""
    if workspace is not None:
        (workspace.folder / "enough").touch()
    output, _ = toy.communicate(timeout=HANG_S)
    assert toy.returncode == 0
    loaded: dict[str, float] = json.loads(output)
    return loaded


def points(server: Server, workspace: Workspace) -> list[tuple[str, int, float]]:
    runs = runs_of(server, workspace)
    return runs[0].points if runs else []


def the_run(server: Server, workspace: Workspace) -> Run:
    (run,) = runs_of(server, workspace)
    return run


def runs_of(server: Server, workspace: Workspace) -> list[Run]:
    """Return the runs of this test's experiment."""
    rows = server.store.query(
        "SELECT run_uuid FROM runs JOIN experiments USING (experiment_id) WHERE experiments.name = ?",
        load_params(workspace.folder / "params.yaml").publish.experiment,
    )
    ids = {row[0] for row in rows}
    return [run for run in server.store.runs() if run.id in ids]


def count_lines(workspace: Workspace) -> int:
    return len((workspace.out(STAGE) / "metrics.jsonl").read_text().splitlines())


def lives(workspace: Workspace) -> bool:
    """Tell whether a follower of the stage still runs."""
    from pipelines._mlflow.client import held

    try:
        with held(workspace.folder / ".state" / "follow" / f"{STAGE}.lock", wait_s=0):
            return False
    except TimeoutError:
        return True


def wait_for(happens: Callable[[], bool], seconds: float = HANG_S) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def test_a_follower_that_starts_before_the_record_waits_for_it(tmp_path: Path) -> None:
    """A stage starts its follower first; the follower waits as long as the stage lives, then ends without a word."""
    workspace = Workspace(tmp_path, f"sqlite:///{tmp_path}/none.db")
    stage = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    argv = ["-m", "pipelines.follow", "data/train/0", "times.txt", str(stage.pid)]
    follower = subprocess.Popen(
        [sys.executable, *argv], cwd=tmp_path, env=workspace.environment, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    with pytest.raises(subprocess.TimeoutExpired):
        follower.wait(timeout=5)
    stage.communicate(b"\n")
    assert (follower.communicate(timeout=HANG_S)[1], follower.returncode) == ("", 0)
