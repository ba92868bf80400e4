"""What dies while stages run: each scenario starts the machines of its own pool, and tells what it saw."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.limits import HANG_S

from .server import processes, wait_for
from .stack import Host, Stack

BRANCH = "deaths"
HELD = 5  # the step after which a stage waits until its scenario lets it go on
PARAMS = "train: {{steps: 8, nap: 0.5}}\ncheckpoints: {{store: {store}}}\n"
STAGE = """
  {name}:
    cmd: python job.py data/{name} ${{train.steps}} ${{train.nap}}
    meta: {{pool: {name}}}
    deps: [job.py]
    outs: [data/{name}]
"""
CODES = """
  codes:
    matrix: {code: [1, 2, 3]}
    cmd: python job.py data/codes/${item.code} 1 0 ${item.code}
    meta: {pool: codes}
    deps: [job.py]
    outs: ["data/codes/${item.code}"]
"""


@dataclass
class Outcome:
    """What a scenario saw.

    Args:
        run: of the pipeline.
        state: in which it ended.
        facts: what else its test looks at.
    """

    run: str
    state: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)


def start_run(stack: Stack, stage: str, *hosts: Host) -> str:
    """Start a run of one stage on machines of its own, each with a worker; the stage waits after some steps."""
    stack.hold(stage, step=HELD)
    for host in hosts:
        host.slot(stage)
    return stack.run(revision=BRANCH, targets=[stage])


def pair(stack: Stack, pool: str) -> tuple[Host, Host]:
    """Return two machines of a pool."""
    return stack.host(f"{pool}-a"), stack.host(f"{pool}-b")


def busy(stack: Stack, stage: str, steps: int = 2) -> Host:
    """Wait until a stage has made some steps, and return the machine on which it runs."""
    start = wait_for(lambda: stack.diary(stage), f"{stage} starts")[-1]
    host = stack.host(start["host"])

    def look() -> bool:
        saved = host.folder.glob(f"clones/*/.state/checkpoints/{stage}/x/step")
        return any(int(path.read_text()) >= steps for path in saved)

    wait_for(look, f"{stage} makes {steps} steps")
    return host


def commands(stage: str) -> list[int]:
    """Return the processes of a stage's command."""
    return processes(f"data/{stage}")


def killed(stack: Stack) -> Outcome:
    """The command is killed, as by the kernel when memory runs out."""
    run = start_run(stack, "killed", *pair(stack, "killed"))
    host = busy(stack, "killed")
    store = stack.toy.root / "store" / "killed" / "x" / "step"
    wait_for(lambda: store.exists() and int(store.read_text()) >= 2, "the store has a checkpoint")
    host.started[0].terminate()  # it takes no new runs, so that the other one continues
    wait_for(lambda: "taking no new runs" in host.log, "it says so")
    stack.release("killed")
    for found in commands("killed"):
        os.kill(found, signal.SIGKILL)
    return Outcome(run, stack.api.ended(run))


def orphaned(stack: Stack) -> Outcome:
    """The worker is killed; nobody starts it again."""
    run = start_run(stack, "orphaned", *pair(stack, "orphaned"))
    host = busy(stack, "orphaned")
    host.started[0].kill()
    wait_for(
        lambda: host.name not in {stack.host_of(found) for found in commands("orphaned")}, "it ends"
    )
    stack.release("orphaned")
    return Outcome(run, stack.api.ended(run), {"left": host.processes()})


def drained(stack: Stack) -> Outcome:
    """The workers of a machine get a stop signal while a stage runs."""
    host = stack.host("drained")
    work = host.work("--pool", "drained")
    run = start_run(stack, "drained")
    busy(stack, "drained")
    work.terminate()
    wait_for(lambda: "taking no new runs" in host.log, "it says that it waits")
    stack.release("drained")
    code = work.wait(HANG_S)
    facts = {"code": code, "stopped": time.time(), "log": host.log, "left": host.processes()}
    return Outcome(run, stack.api.ended(run), facts)


def stopped(stack: Stack) -> Outcome:
    """The workers of a machine get two stop signals, then another machine comes.

    Both signals reach the worker of the pool while it is frozen, as if they came at the same moment.
    """
    host, other = pair(stack, "stopped")
    work = host.work("--pool", "stopped")
    run = start_run(stack, "stopped")
    busy(stack, "stopped")
    (worker,) = set(processes("pipelines.flows.slot")) & set(host.processes())
    os.kill(worker, signal.SIGSTOP)
    for told in ("taking no new runs", "ending the running runs"):
        work.terminate()
        wait_for(partial(lambda line: line in host.log, told), f"it says that it is {told}")
    os.kill(worker, signal.SIGCONT)
    facts = {"code": work.wait(HANG_S), "left": host.processes()}
    stack.release("stopped")
    other.slot("stopped")
    return Outcome(run, stack.api.ended(run), facts)


def lost(stack: Stack) -> Outcome:
    """The machine is gone while a stage runs."""
    run = start_run(stack, "lost", *pair(stack, "lost"))
    busy(stack, "lost").lose()
    stack.release("lost")
    return Outcome(run, stack.api.ended(run))


def pending(stack: Stack) -> Outcome:
    """The machine is gone after it took a stage and before that ran; then another machine comes."""
    host, other = pair(stack, "pending")
    run = start_run(stack, "pending", host)
    look = {"PENDING", "RUNNING"}
    wait_for(lambda: [c for c in stack.api.children(run) if c["state_type"] in look], "it is taken")
    host.lose()
    stack.release("pending")
    (child,) = stack.api.children(run)
    other.slot("pending")
    return Outcome(run, stack.api.ended(run), {"state": child["state_type"]})


def locked(stack: Stack) -> Outcome:
    """Another process of DVC works in the clone when the stage ends."""
    run = start_run(stack, "locked", stack.host("locked"))
    host = busy(stack, "locked")
    (clone,) = (host.folder / "clones").glob("*-0")
    script = "from dvc.repo import Repo\nwith Repo('.').lock: print('taken', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=clone, env=stack.toy.environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "taken\n"
        stack.release("locked")
        wait_for(lambda: stack.diary("locked", "end"), "the stage ends")
        time.sleep(10)
        state = stack.api.children(run)[0]["state_type"]
        other.communicate("\n")
    facts = {"state": state}
    return Outcome(run, stack.api.ended(run), facts)


def cancelled(stack: Stack) -> Outcome:
    """A person cancels the run of the stage."""
    return _cancel(stack, "cancelled", lambda run: str(stack.api.children(run)[0]["id"]))


def abandoned(stack: Stack) -> Outcome:
    """A person cancels the run of the pipeline."""
    return _cancel(stack, "abandoned", lambda run: run)


def deleted(stack: Stack) -> Outcome:
    """A person deletes the run of the stage."""
    host = stack.host("deleted")
    run = start_run(stack, "deleted", host)
    busy(stack, "deleted")
    stack.api.delete(str(stack.api.children(run)[0]["id"]))
    wait_for(lambda: not commands("deleted"), "no process of it is left", 90)
    return Outcome(run, stack.api.ended(run))


def _cancel(stack: Stack, stage: str, choose: Callable[[str], str]) -> Outcome:
    run = start_run(stack, stage, stack.host(stage))
    busy(stack, stage)
    stack.api.cancel(choose(run))
    wait_for(lambda: not commands(stage), "no process of it is left", 90)
    state = stack.api.ended(run)
    (child,) = stack.api.children(run)
    return Outcome(run, state, {"child": stack.api.ended(child["id"])})


def codes(stack: Stack) -> Outcome:
    """Three cells end by their own fault."""
    stack.host("codes").slot("codes")
    run = stack.run(revision=BRANCH, targets=["codes"])
    return Outcome(run, stack.api.ended(run))


SCENARIOS = {
    one.__name__: one
    for one in (
        killed,
        orphaned,
        drained,
        stopped,
        lost,
        pending,
        locked,
        cancelled,
        deleted,
        abandoned,
        codes,
    )
}
