"""The Prefect server is unreachable for half a minute while stages run, end and are due: the pipeline completes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from .server import Server, processes, wait_for
from .stack import Stack, stack_of
from .toy import make_toy

pytestmark = [pytest.mark.servers, pytest.mark.slow]

AWAY_S = 30
# As `pipelines.flows.server_setup` has them, which is not imported: it would bring Prefect into this process.
HEARTBEAT_S, LOST_AFTER_S, PENDING_LIMIT_S = 30, 180, 300
GRAPH = """
stages:
  here:
    cmd: python job.py data/here 12 0.5
    meta: {pool: outage, small: true}
    deps: [job.py]
    outs: [data/here]
  short:
    cmd: python job.py data/short 12 0.5
    meta: {pool: outage}
    deps: [job.py]
    outs: [data/short]
  long:
    cmd: python job.py data/long 12 0.5
    meta: {pool: outage}
    deps: [job.py]
    outs: [data/long]
  due:
    cmd: python job.py data/due 1 1
    meta: {pool: outage}
    deps: [job.py, data/here]
    outs: [data/due]
"""
CANCELLED = """
stages:
  unwanted:
    cmd: python job.py data/unwanted 900 1
    meta: {pool: outage}
    deps: [job.py]
    outs: [data/unwanted]
"""
STAGES = ("here", "short", "long", "due")


@dataclass
class Outage:
    """What was seen.

    Args:
        run: of the pipeline.
        message: with which it ended.
        away: from when to when the server was unreachable, in seconds of the clock.
        cancelled: the run of a stage that was cancelled after the outage.
        took: seconds from then until no process of it was left.
    """

    run: str
    message: str
    away: tuple[float, float]
    cancelled: str
    took: float


@pytest.fixture(scope="module")
def stack(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    toy = make_toy(tmp_path_factory.mktemp("toy"), GRAPH)
    with stack_of(toy, server) as found:
        toy.publish("unwanted", CANCELLED)
        found.deploy(["outage"], (LOST_AFTER_S, PENDING_LIMIT_S))
        found.host("parent").work("--pool", "pipelines")
        for name in ("a", "b", "c"):
            found.host(f"outage-{name}").slot("outage")
        yield found


@pytest.fixture(scope="module")
def outage(stack: Stack) -> Outage:
    """Take the server away when all that can run does, and bring it back; `long` lives until its next sign of life."""
    for stage in ("here", "short", "long"):
        stack.hold(stage, step=4)
    run, other = stack.run(), stack.run(revision="unwanted")
    for stage in ("here", "short", "long", "unwanted"):
        wait_for(partial(stack.diary, stage), f"{stage} starts")
    stack.server.stop()
    gone = time.time()
    for stage in ("here", "short"):
        stack.release(stage)
    time.sleep(AWAY_S)
    stack.server.start()
    back = time.time()
    (child,) = stack.api.children(other)
    stack.api.cancel(child["id"])
    asked = time.monotonic()
    wait_for(lambda: not processes("data/unwanted"), "no process of it is left")
    took = time.monotonic() - asked
    wait_for(lambda: beats_of_long(stack, run, after=back), "long gives a sign of life")
    stack.release("long")
    state = stack.api.ended(run)
    assert state["type"] == "COMPLETED", state["message"]
    return Outage(run, state["message"], (gone, back), child["id"], took)


def beats_of_long(stack: Stack, run: str, *, after: float) -> list[float]:
    """Return when `long` gave a sign of life, in seconds of the clock."""
    (child,) = [child for child in stack.api.children(run) if child["name"] == "long"]
    return [beat for beat in stack.api.heartbeats(child["id"]) if beat > after]


def test_each_stage_ran_once_though_some_ended_and_one_was_due_meanwhile(
    stack: Stack, outage: Outage
) -> None:
    gone, back = outage.away
    ends = {stage: stack.diary(stage, "end")[0]["at"] for stage in STAGES}
    assert gone < ends["here"] < back, "and `due` was due then"
    assert gone < ends["short"] < back
    assert [len(stack.diary(stage)) for stage in STAGES] == [1, 1, 1, 1]
    assert outage.message == "4 stages ran, 0 were restored"


def test_signs_of_life_go_on_after_the_outage(stack: Stack, outage: Outage) -> None:
    """Else each stage that ran meanwhile would count as lost a little later."""
    assert beats_of_long(stack, outage.run, after=outage.away[1])
    assert LOST_AFTER_S > 2 * HEARTBEAT_S + 2 * AWAY_S, (
        "the longest silence of an outage like this one"
    )


def test_a_stage_can_be_cancelled_after_the_outage(stack: Stack, outage: Outage) -> None:
    assert outage.took < 60
    assert stack.api.ended(outage.cancelled)["type"] == "CANCELLED"


def test_no_line_of_the_log_is_lost(stack: Stack, outage: Outage) -> None:
    runs = {child["name"]: child["id"] for child in stack.api.children(outage.run)}
    assert set(runs) == {"short", "long", "due"}
    messages = {line["message"] for line in stack.api.log(runs["short"])}
    assert {f"step {step}/12" for step in range(1, 13)} <= messages


def test_the_terminal_of_a_worker_tells_the_outage_in_lines_and_no_traceback(
    stack: Stack, outage: Outage
) -> None:
    logs = [stack.host(name).log for name in ("parent", "outage-a", "outage-b", "outage-c")]
    assert any("the Prefect server is unreachable" in log for log in logs)
    assert [log.count("Traceback") for log in logs] == [0, 0, 0, 0], logs
