"""Real workers die, are stopped, cancelled or cut off: the pipeline goes on, or ends cleanly.

Some scenarios run at the same time, each in a pool of its own, since part of their time is spent waiting; a test then
looks at what its scenario saw. More at a time would only slow each other on two cores.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from .scenarios import BRANCH, CODES, PARAMS, SCENARIOS, STAGE, Outcome
from .server import Server
from .stack import Stack, stack_of
from .toy import make_toy

pytestmark = [pytest.mark.servers, pytest.mark.slow]

AT_ONCE = 6
# Seconds until a running, and a pending, run counts as lost. A heartbeat is sent every 30; a loaded machine has two
# minutes to begin a run.
LIMITS = (60, 120)


@pytest.fixture(scope="module")
def stack(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server that knows a pool for each scenario, and a machine for the pipelines."""
    toy = make_toy(tmp_path_factory.mktemp("toy"))
    graph = "".join(STAGE.format(name=name) for name in SCENARIOS if name != "codes") + CODES
    toy.publish(BRANCH, "stages:" + graph, PARAMS.format(store=toy.root / "store"))
    with stack_of(toy, server) as found:
        found.deploy(list(SCENARIOS), LIMITS)
        found.host("parent").work("--pool", "pipelines", "--slots", "2")
        yield found


@pytest.fixture(scope="module")
def started(stack: Stack, request: pytest.FixtureRequest) -> Iterator[dict[str, "Future[Outcome]"]]:
    """Start the scenarios of all tests that were chosen."""
    specs = [getattr(item, "callspec", None) for item in request.session.items]
    names = [spec.params["outcome"] for spec in specs if spec and "outcome" in spec.params]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        yield {name: threads.submit(SCENARIOS[name], stack) for name in dict.fromkeys(names)}


@pytest.fixture
def outcome(started: dict[str, "Future[Outcome]"], request: pytest.FixtureRequest) -> Outcome:
    """Return what the scenario saw that a test names."""
    return started[request.param].result()


def of(*names: str) -> pytest.MarkDecorator:
    """Let a test look at the outcome of scenarios, one after the other."""
    return pytest.mark.parametrize("outcome", names, indirect=True)


@of("killed")
def test_a_killed_stage_goes_on_from_its_checkpoint_on_another_worker(
    stack: Stack, outcome: Outcome
) -> None:
    assert outcome.state["type"] == "COMPLETED", outcome.state
    first, second = stack.diary("killed")
    assert first["host"] != second["host"]
    assert (first["step"], second["step"] >= 2) == (0, True), (
        "the store is shared, the clones are not"
    )
    states = [child["state_name"] for child in stack.api.children(outcome.run)]
    assert states[0] == "Exit137"
    assert states[-1] == "Completed"
    assert not (stack.toy.root / "store" / "killed").exists(), "complete, it leaves no checkpoint"


@of("codes")
def test_a_stage_that_failed_by_its_own_fault_is_not_tried_again(
    stack: Stack, outcome: Outcome
) -> None:
    assert outcome.state["type"] == "FAILED", outcome.state
    assert sorted(child["state_name"] for child in stack.api.children(outcome.run)) == [
        "Exit1",
        "Exit2",
        "Exit3",
    ]
    assert [len(stack.diary(f"codes@{code}")) for code in (1, 2, 3)] == [1, 1, 1]
    assert "it ends by its own fault" in outcome.state["message"]
    assert "**Failed.** codes@" in stack.api.artifacts(outcome.run)["pipeline-summary"]


@of("orphaned")
def test_the_stage_of_a_killed_worker_runs_on_another(stack: Stack, outcome: Outcome) -> None:
    assert outcome.state["type"] == "COMPLETED", outcome.state
    first, second = stack.diary("orphaned")
    assert first["host"] != second["host"]
    crashed = stack.api.children(outcome.run)[0]["state"]
    assert "no sign of life" not in crashed["message"], "no limit of an automation is waited for"


@of("drained")
def test_a_worker_told_to_stop_lets_its_stage_end_and_says_so(
    stack: Stack, outcome: Outcome
) -> None:
    assert outcome.state["type"] == "COMPLETED", outcome.state
    (ended,) = stack.diary("drained", "end")
    assert len(stack.diary("drained")) == 1
    assert ended["at"] < outcome.facts["stopped"]
    (child,) = stack.api.children(outcome.run)
    assert child["state_type"] == "COMPLETED"
    assert (
        f"drained-drained-0: taking no new runs; waiting for {child['id']}" in outcome.facts["log"]
    )
    assert "workers: stopped" in outcome.facts["log"]
    assert (outcome.facts["code"], outcome.facts["left"]) == (0, [])


@of("stopped")
def test_a_second_stop_signal_ends_the_stage_which_runs_elsewhere(
    stack: Stack, outcome: Outcome
) -> None:
    assert (outcome.facts["code"], outcome.facts["left"]) == (0, [])
    assert outcome.state["type"] == "COMPLETED", outcome.state
    assert [start["host"] for start in stack.diary("stopped")] == ["stopped-a", "stopped-b"]
    child = stack.api.children(outcome.run)[0]
    assert (child["state_type"], child["state"]["message"]) == (
        "CRASHED", "worker stopped-a-stopped-0 got a second stop signal",
    )  # fmt: skip


@of("lost")
def test_a_machine_lost_while_a_stage_runs_is_noticed_by_its_silence(
    stack: Stack, outcome: Outcome
) -> None:
    assert outcome.state["type"] == "COMPLETED", outcome.state
    first, second = stack.diary("lost")
    assert first["host"] != second["host"]
    state = stack.api.children(outcome.run)[0]["state"]
    assert (state["type"], state["message"]) == ("CRASHED", f"no sign of life for {LIMITS[0]} s")


@of("pending")
def test_a_machine_lost_before_its_stage_ran_is_noticed_too(stack: Stack, outcome: Outcome) -> None:
    assert outcome.facts["state"] == "PENDING"
    assert outcome.state["type"] == "COMPLETED", outcome.state
    assert [child["state_type"] for child in stack.api.children(outcome.run)] == [
        "CRASHED",
        "COMPLETED",
    ]
    (start,) = stack.diary("pending")
    assert start["host"] == "pending-b"
    state = stack.api.children(outcome.run)[0]["state"]
    assert state["message"] == f"no sign of life for {LIMITS[1]} s"


@of("locked")
def test_a_stage_that_ends_while_dvc_is_locked_is_not_lost(stack: Stack, outcome: Outcome) -> None:
    assert outcome.facts["state"] == "RUNNING", "ten seconds after the end; DVC itself waits 3 s"
    assert outcome.state["type"] == "COMPLETED", outcome.state
    assert len(stack.diary("locked")) == len(stack.api.children(outcome.run)) == 1


@of("cancelled", "abandoned")
def test_a_cancelled_run_leaves_no_process(
    stack: Stack, outcome: Outcome, request: pytest.FixtureRequest
) -> None:
    assert outcome.facts["child"]["type"] == "CANCELLED"
    stage = request.node.callspec.params["outcome"]
    assert outcome.state["type"] == {"cancelled": "FAILED", "abandoned": "CANCELLED"}[stage], (
        outcome.state
    )
    assert len(stack.diary(stage)) == 1
    assert not stack.diary(stage, "end")


@of("deleted")
def test_a_stage_whose_run_is_deleted_ends_and_is_told_as_cancelled(
    stack: Stack, outcome: Outcome
) -> None:
    assert outcome.state["type"] == "FAILED", outcome.state
    assert "deleted" in outcome.state["message"]
    assert len(stack.diary("deleted")) == 1
    assert not stack.diary("deleted", "end")
