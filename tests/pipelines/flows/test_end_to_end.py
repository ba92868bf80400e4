"""The pipeline on workers from a commit to a lock: the same as `dvc repro` makes, with the real servers and workers."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipelines._repository.clones import check_out, hold_clone, resolve_revision
from pipelines._repository.git import git
from tests.limits import HANG_S

from .server import Server, wait_for
from .stack import Stack, stack_of
from .toy import PARAMS, make_toy

pytestmark = [pytest.mark.servers, pytest.mark.slow]

SLOWER = PARAMS.replace("{steps: 2, nap: 0.1}", "{steps: 20, nap: 0.5}")
OUTS = {"prepare", "train/0", "train/1", "evaluate"}
SEEDS = {"seeds": [0, 1, 2]}


@pytest.fixture(scope="module")
def stack(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two machines for the pool gpu and one for the pipelines, by the commands of the README."""
    toy = make_toy(tmp_path_factory.mktemp("toy"), params=SLOWER)
    with stack_of(toy, server) as found:
        deploy = (sys.executable, "-m", "pipelines.deploy", "--repository", str(toy.origin))
        done = found.command(*deploy, "--needs", "gpu:gpus=0")
        assert done.returncode == 0, done.stderr
        found.host("parent").work("--pool", "pipelines")
        for name in ("one", "two"):
            found.host(name).work("--pool", "gpu")
        yield found


@pytest.fixture(scope="module")
def first(stack: Stack) -> str:
    """A run of all stages that ended well, started by Prefect's own command."""
    done = stack.command(
        "prefect", "deployment", "run", "pipeline/main", "-p", "branch=locks/first"
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"UUID: ([0-9a-f-]{36})", done.stdout)
    assert found, done.stdout
    state = stack.api.ended(found[1])
    assert state["type"] == "COMPLETED", state["message"]
    assert state["message"] == "5 stages ran, 0 were restored"
    return found[1]


@pytest.fixture(scope="module")
def later(stack: Stack, first: str) -> dict[str, str]:
    """Runs after the first, at the same time: the same again, one with overrides, three that are refused."""
    head = stack.toy.run("git", "rev-parse", "HEAD").strip()
    stack.toy.run("git", "commit", "-q", "--allow-empty", "-m", "never pushed")
    own = stack.toy.run("git", "rev-parse", "HEAD").strip()
    stack.toy.run("git", "reset", "-q", "--hard", head)
    graph = (stack.toy.checkout / "dvc.yaml").read_text()
    stack.toy.publish(
        "elsewhere", graph.replace("pool: gpu", "pool: tpu"), SLOWER.replace("0.5", "0")
    )
    stack.toy.run("git", "checkout", "-q", "main")
    runs = {
        "again": stack.run(branch="locks/again"),
        "overrides": stack.run(overrides=SEEDS, targets=["evaluate"], branch="locks/overrides"),
        "unpushed": stack.run(revision=own),
        "unknown key": stack.run(overrides={"train.speed": 1}),
        "no deployment": stack.run(revision="elsewhere"),
    }
    for run in runs.values():
        stack.api.ended(run)
    return runs


def names(children: list[dict[str, Any]]) -> list[str]:
    return sorted(child["name"] for child in children)


def file_at(stack: Stack, branch: str, name: str) -> bytes:
    done = subprocess.run(
        ["git", "show", f"{branch}:{name}"], cwd=stack.toy.origin, capture_output=True, check=True
    )
    return done.stdout


def outs_of(clone: Path) -> set[str]:
    return {
        path.parent.relative_to(clone / "data").as_posix()
        for path in clone.glob("data/**/args.txt")
    }


def test_stages_run_on_workers_and_small_ones_beside_the_pipeline(stack: Stack, first: str) -> None:
    children = stack.api.children(first)
    assert names(children) == ["evaluate", "train@0", "train@1"]
    assert {child["state_type"] for child in children} == {"COMPLETED"}
    assert [line["host"] for line in stack.diary("prepare")] == ["parent"]


def test_independent_cells_run_at_the_same_time_on_different_workers(
    stack: Stack, first: str
) -> None:
    starts = [stack.diary(cell)[0] for cell in ("train@0", "train@1")]
    ends = [stack.diary(cell, "end")[0] for cell in ("train@0", "train@1")]
    assert {start["host"] for start in starts} == {"one", "two"}
    assert max(start["at"] for start in starts) < min(end["at"] for end in ends)
    assert stack.diary("evaluate")[0]["at"] > max(end["at"] for end in ends)


def test_the_lock_is_the_one_that_a_local_repro_writes(stack: Stack, first: str) -> None:
    clone = stack.toy.clone("local")
    stack.toy.run("dvc", "repro", cwd=clone)
    assert file_at(stack, "locks/first", "dvc.lock") == (clone / "dvc.lock").read_bytes()


def test_a_fresh_clone_of_the_branch_pulls_every_output(stack: Stack, first: str) -> None:
    clone = stack.toy.clone("colleague", "locks/first")
    stack.toy.run("dvc", "pull", cwd=clone)
    assert outs_of(clone) == OUTS


def test_take_writes_the_lock_of_a_run(stack: Stack, first: str) -> None:
    clone = stack.toy.clone("taker")
    take = (sys.executable, "-m", "pipelines.fetch_run")
    stack.toy.run(*take, first, cwd=clone, PREFECT_API_URL=stack.server.url)
    assert (clone / "dvc.lock").read_bytes() == file_at(stack, "locks/first", "dvc.lock")
    for wrong in ("0" * 8, "00000000-0000-0000-0000-000000000000"):
        done = stack.toy.attempt(*take, wrong, cwd=clone, PREFECT_API_URL=stack.server.url)
        assert (done.returncode, len(done.stderr.splitlines())) == (3, 1), done.stderr


def test_lines_of_a_stage_are_in_the_log_while_it_runs(stack: Stack, first: str) -> None:
    (cell,) = [child for child in stack.api.children(first) if child["name"] == "train@0"]
    lines = {line["message"]: line["timestamp"] for line in stack.api.log(cell["id"])}
    assert {f"step {step}/20" for step in range(1, 21)} <= set(lines)
    ended = stack.diary("train@0", "end")[0]["at"]
    assert datetime.fromisoformat(lines["step 2/20"]).timestamp() < ended - 5
    assert stack.api.artifacts(cell["id"])["progress"] == 100.0


def test_the_page_tells_what_happened_to_each_stage(stack: Stack, first: str) -> None:
    page = stack.api.artifacts(first)["pipeline-summary"]
    for cell in ("train@0", "train@1"):
        assert re.search(rf"\| \[{cell}\]\(\S+\) \| ran \| (one|two)-gpu-0 \| 1 \| \d+ \|", page), (
            page
        )
    assert "branch `locks/first`" in page


def test_a_second_run_restores_all_and_occupies_no_worker(
    stack: Stack, later: dict[str, str]
) -> None:
    state = stack.api.state(later["again"])
    assert state["message"] == "1 stages ran, 4 were restored", "publish runs every time"
    assert stack.api.children(later["again"]) == []
    locks = [file_at(stack, f"locks/{name}", "dvc.lock") for name in ("first", "again")]
    assert locks[0] == locks[1]


def test_overrides_and_targets_run_only_what_they_change(
    stack: Stack, later: dict[str, str]
) -> None:
    state = stack.api.state(later["overrides"])
    assert state["type"] == "COMPLETED", state["message"]
    assert names(stack.api.children(later["overrides"])) == ["evaluate", "train@2"]
    assert len(stack.diary("train@0")) == 1
    locks = [
        YAML(typ="safe").load(file_at(stack, f"locks/{name}", "dvc.lock"))["stages"]
        for name in ("first", "overrides")
    ]
    assert set(locks[1]) == {"prepare", "train@0", "train@1", "train@2", "evaluate"}
    assert [name for name in locks[0] if locks[0][name] == locks[1].get(name)] == [
        "prepare", "train@0", "train@1",
    ]  # fmt: skip


def test_the_commit_of_a_run_with_overrides_is_made_again_elsewhere(
    stack: Stack, later: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    with hold_clone(str(stack.toy.origin), root=tmp_path) as clone:
        made = check_out(clone, resolve_revision(clone, "main"), SEEDS)
        pushed = resolve_revision(clone, "locks/overrides")
        assert made == git(clone.folder, "rev-parse", f"{pushed}~1")


@pytest.mark.parametrize(
    ("run", "name", "words"),
    [
        ("unpushed", "Exit2", r"^revision '[0-9a-f]{40}': .* has no such commit\. Push it first\.$"),
        ("unknown key", "Exit2", r"^overrides: train\.speed: params\.yaml has no such key\. "),
        ("no deployment", "Exit2", r"^dvc\.yaml: train@0: meta\.pool is 'tpu', .* Run `python -m pipelines\.deploy`"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_told_in_a_line_before_anything_runs(
    stack: Stack, later: dict[str, str], run: str, name: str, words: str
) -> None:
    state = stack.api.state(later[run])
    assert (state["type"], state["name"]) == ("FAILED", name)
    assert re.match(words, state["message"]), state["message"]
    assert stack.api.children(later[run]) == []


def test_a_pool_that_the_server_does_not_have_is_refused(stack: Stack) -> None:
    done = stack.command(sys.executable, "-m", "pipelines.workers", "--pool", "tpu")
    assert done.returncode == 2
    assert re.match("workers: --pool tpu: .* Run `python -m pipelines.deploy`", done.stderr)


def test_an_idle_machine_stops_at_an_interrupt_that_its_shell_has_it_ignore(
    stack: Stack, first: str
) -> None:
    host = stack.host("idle")
    work = host.work("--pool", "gpu")
    wait_for(lambda: "started" in host.log, "the worker has started")
    work.send_signal(signal.SIGINT)
    assert work.wait(HANG_S) == 0
    assert host.processes() == []


def test_a_machine_that_does_not_meet_the_requirements_is_refused(
    stack: Stack, later: dict[str, str]
) -> None:
    deploy = (sys.executable, "-m", "pipelines.deploy", "--repository", str(stack.toy.origin))
    assert stack.command(*deploy, "--needs", "gpu:gpus=0,memory_gib=1000000").returncode == 0
    done = stack.command(sys.executable, "-m", "pipelines.workers", "--pool", "gpu")
    words = (
        r"workers: pool gpu: this machine does not meet its requirements: "
        r"found [\d.]+ GiB of memory, the pool requires 1e\+06\n"
    )
    assert re.fullmatch(words, done.stderr), done.stderr
    assert done.returncode == 3
