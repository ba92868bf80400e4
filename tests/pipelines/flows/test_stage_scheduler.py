"""When a stage is started, and when again: a graph in plain Python, ends by hand, no Prefect and no DVC."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipelines.flows import stage_scheduler
from pipelines.flows.stage_scheduler import End, Ended, Run, Schedule, StageError, StageHistory

DIAMOND: dict[str, tuple[str, ...]] = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
LOST_ON = {name: Ended(End.LOST, "the host is gone", worker=name) for name in ("w1", "w2", "w3")}


@dataclass
class FakeRun:
    """A run that ends after some looks at it."""

    cluster: "Cluster"
    name: str
    looks: int
    ended: Ended

    def poll(self) -> Ended | None:
        """Return how it ended, once it did."""
        self.looks -= 1
        if self.looks > 0:
            return None
        self.cluster.running.discard(self.name)
        if self.ended.how is End.DONE and self.name not in self.cluster.always:
            self.cluster.known.add(self.name)
        return self.ended

    def cancel(self) -> None:
        """Note it."""
        self.cluster.cancelled.append(self.name)


@dataclass
class Cluster:
    """Workers and a run cache.

    Args:
        graph: what each stage reads; in the order in which they are asked for.
        ends: how the runs of a stage end, one after the other; all that is not here is done.
        looks: after how many looks a stage ends.
        known: what the run cache has.
        always: stages that run every time.
        small: stages that run beside the pipeline.
    """

    graph: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: DIAMOND)
    ends: dict[str, list[Ended]] = field(default_factory=dict)
    looks: Mapping[str, int] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    always: frozenset[str] = frozenset()
    small: frozenset[str] = frozenset()
    started: list[str] = field(default_factory=list)
    avoided: list[tuple[str, ...]] = field(default_factory=list)
    together: list[set[str]] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    cancelled: list[str] = field(default_factory=list)

    def advance(self, done: Sequence[str]) -> list[dict[str, Any]]:
        """Return the state of each stage that is not done, as `pipelines._dvc.restore_stages` does."""
        finished, lines = set(done), []
        for name, upstream in self.graph.items():
            if name in finished:
                continue
            state = "waits"
            if finished.issuperset(upstream):
                state = "restored" if name in self.known else "ready"
            if state == "restored":
                finished.add(name)
            lines.append(
                {
                    "state": state,
                    "name": name,
                    "upstream": upstream,
                    "always": name in self.always,
                    "small": name in self.small,
                }
            )
        return lines

    def start(self, node: Mapping[str, Any], avoid: Sequence[str]) -> Run:
        """Start a stage."""
        name = node["name"]
        assert name not in self.running, "one run of a stage at a time"
        self.started.append(name)
        self.avoided.append(tuple(avoid))
        self.running.add(name)
        self.together.append(set(self.running))
        ends = self.ends.get(name)
        return FakeRun(
            self, name, self.looks.get(name, 1), ends.pop(0) if ends else Ended(End.DONE)
        )

    def schedule(self, **options: Any) -> Schedule:
        """Return a run of the pipeline on this cluster."""
        return Schedule(self.advance, self.start, logging.getLogger("test"), **options)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_scheduler, "POLL_S", 0.001)


def tries(history: Mapping[str, StageHistory]) -> dict[str, int]:
    return {name: one.tries for name, one in history.items()}


def test_a_stage_starts_once_all_it_reads_is_there_and_cells_run_at_once() -> None:
    cluster = Cluster(looks={"a": 2, "b": 5, "c": 2})
    history = cluster.schedule().run()
    assert cluster.started == ["a", "b", "c", "d"]
    assert cluster.together == [{"a"}, {"b"}, {"b", "c"}, {"d"}]
    assert {one.state for one in history.values()} == {"ran"}


def test_a_small_stage_is_started_after_those_that_run_elsewhere() -> None:
    cluster = Cluster({"a": (), "b": (), "c": ()}, small=frozenset({"a"}), looks={"b": 9, "c": 9})
    cluster.schedule().run()
    assert cluster.started == ["b", "c", "a"]


def test_what_the_run_cache_knows_is_not_started() -> None:
    cluster = Cluster(known={"a", "b"})
    history = cluster.schedule().run()
    assert cluster.started == ["c", "d"]
    assert [history[name].state for name in "abcd"] == ["restored", "restored", "ran", "ran"]
    assert tries(history) == {"a": 0, "b": 0, "c": 1, "d": 1}


def test_a_stage_of_every_run_runs_once_in_it_and_is_waited_for_by_others() -> None:
    graph = {"a": (), "told": ("a",), "after": ("told",)}
    cluster = Cluster(graph, known={"a", "after"}, always=frozenset({"told"}))
    assert cluster.schedule().run()["after"].state == "restored"
    assert cluster.started == ["told"]


def test_a_lost_stage_is_started_again_on_another_worker_each_time() -> None:
    cluster = Cluster(ends={"b": [LOST_ON["w1"], LOST_ON["w2"]]}, looks={"c": 9})
    history = cluster.schedule().run()
    assert [avoid for name, avoid in zip(cluster.started, cluster.avoided, strict=True) if name == "b"] == [
        (), ("w1",), ("w1", "w2"),
    ]  # fmt: skip
    assert tries(history) == {"a": 1, "b": 3, "c": 1, "d": 1}


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_a_stage_that_is_lost_once_too_often_ends_the_run(retries: int) -> None:
    lost = [LOST_ON["w1"], LOST_ON["w2"], LOST_ON["w3"]]
    cluster = Cluster({"a": ()}, ends={"a": lost})
    with pytest.raises(StageError, match="a: the host is gone"):
        cluster.schedule(retries=retries).run()
    assert len(cluster.started) == 1 + retries


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_a_stage_that_failed_by_its_own_fault_is_not_started_again(code: int) -> None:
    cluster = Cluster({"a": ()}, ends={"a": [Ended(End.FAILED, f"exit code {code}", code)]})
    with pytest.raises(StageError, match=f"a: exit code {code}") as caught:
        cluster.schedule().run()
    assert cluster.started == ["a"]
    assert caught.value.exit_code == code


def test_a_cancelled_stage_is_not_started_again() -> None:
    cluster = Cluster({"a": ()}, ends={"a": [Ended(End.CANCELLED, "it was cancelled")]})
    with pytest.raises(StageError, match="a: it was cancelled"):
        cluster.schedule().run()
    assert cluster.started == ["a"]


def test_handing_back_is_no_try_and_names_the_worker_once() -> None:
    back = Ended(End.DECLINED, worker="w1")
    cluster = Cluster(
        {"a": ()}, ends={"a": [LOST_ON["w1"], back, back, Ended(End.DONE, worker="w2")]}
    )
    history = cluster.schedule(retries=1).run()
    assert [set(avoid) for avoid in cluster.avoided] == [set(), {"w1"}, {"w1"}, {"w1"}]
    assert history["a"].tries == 2
    assert set(history["a"].workers) == {"w1", "w2"}


def test_a_stage_that_no_other_worker_takes_goes_where_it_was_lost() -> None:
    """The others may train for hours: declined and started again every few seconds, it would fill the server."""
    back = Ended(End.DECLINED, worker="w1")
    cluster = Cluster({"a": ()}, ends={"a": [LOST_ON["w1"], *[back] * stage_scheduler.DECLINES]})
    cluster.schedule(retries=1).run()
    assert [bool(avoid) for avoid in cluster.avoided] == [
        False,
        *[True] * stage_scheduler.DECLINES,
        False,
    ]


def test_after_a_failure_nothing_starts_and_what_runs_is_let_end() -> None:
    ends = {"b": [Ended(End.FAILED, "exit code 3", 3)]}
    graph = {**DIAMOND, "e": ("c",)}
    cluster = Cluster(graph, ends, looks={"b": 3, "c": 6})
    run = cluster.schedule()
    with pytest.raises(StageError, match="b: exit code 3"):
        run.run()
    assert cluster.started == ["a", "b", "c"]
    assert run.history["c"].state == "ran"
    assert not cluster.cancelled


@pytest.mark.parametrize("how", [End.LOST, End.DECLINED])
def test_after_a_failure_a_lost_stage_is_not_started_again_either(how: End) -> None:
    ends = {"b": [Ended(End.FAILED, "exit code 2", 2)], "c": [Ended(how, worker="w1")]}
    cluster = Cluster(ends=ends, looks={"b": 3, "c": 6})
    with pytest.raises(StageError, match="b: exit code 2"):
        cluster.schedule().run()
    assert cluster.started == ["a", "b", "c"]


def test_outputs_that_do_not_arrive_are_reported_and_not_made_again() -> None:
    cluster = Cluster({"a": ()}, always=frozenset({"a"}))  # the cache never knows it
    nodes = [{"state": "ready", "name": "a", "upstream": (), "always": False, "small": False}]
    run = Schedule(lambda done: nodes, cluster.start, logging.getLogger("test"))
    with pytest.raises(StageError, match="a: it ran, but its outputs did not arrive"):
        run.run()
    assert cluster.started == ["a"]


def test_a_cell_that_ends_while_another_is_started_is_asked_for_anew() -> None:
    """What `restore_stages` said before it ended knows nothing of its outputs."""
    graph = {"first": (), "small": ("first",), "cell": (), "last": ("small", "cell")}
    cluster = Cluster(graph, looks={"first": 1, "cell": 2, "small": 1})
    history = cluster.schedule().run()
    assert sorted(cluster.started) == sorted(graph)
    assert {one.state for one in history.values()} == {"ran"}


def test_what_runs_is_cancelled_when_the_run_itself_is_ended() -> None:
    cluster = Cluster({"b": (), "a": ()}, looks={"b": 99, "a": 1})

    def advance(done: Sequence[str]) -> list[dict[str, Any]]:
        if cluster.running:
            raise KeyboardInterrupt
        return cluster.advance(done)

    with pytest.raises(KeyboardInterrupt):
        Schedule(advance, cluster.start, logging.getLogger("test")).run()
    assert cluster.cancelled == ["b"], "a had ended"
