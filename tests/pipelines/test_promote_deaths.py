"""Promotions that die half way, sleep too long or come at once, on a real registry: what the next one does."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from ocrnet.config.params_file import load_params
from ocrnet.errors import GateError
from pipelines import rollback as rollback_command
from pipelines._mlflow.aliases import set_alias
from pipelines._mlflow.process import is_dead, process_id
from pipelines._mlflow.promotion import opened, rollback
from pipelines._mlflow.promotions import Draft, add_entry
from pipelines._mlflow.tickets import move_aliases, repair_unfinished, take_ticket

from .registered import (
    BASE,
    BEST,
    BETTER,
    MODEL,
    Registry,
    promote_to,
)

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


RACER = """
import sys, time
from pathlib import Path
from ocrnet.errors import OcrnetError
from ocrnet.config.params_file import load_params
from pipelines._mlflow.promotion import PromoteOptions, opened, propose, settle
options, params = PromoteOptions(sys.argv[1], device="cpu"), load_params(Path("params.yaml"))
try:
    with opened(params) as session:
        proposal = propose(session, options, params)
        Path("ready" + sys.argv[1]).touch()
        while not Path("go").exists():
            time.sleep(0.002)
        sys.exit(settle(session, proposal, options, params).exit_code)
except OcrnetError as error:
    sys.stderr.write(f"refused: {error}\\n")
    sys.exit(error.exit_code)
"""


def race(registry: Registry, **variables: str) -> list[tuple[int, str, str]]:
    """Judge two versions in two processes, then let both promote in one moment."""
    racers = {
        version: subprocess.Popen(
            [sys.executable, "-c", RACER, version], cwd=registry.folder, text=True,
            env={**registry.workspace.environment, **variables}, stderr=subprocess.PIPE,
        )
        for version in (BETTER, BEST)
    }  # fmt: skip
    end = time.monotonic() + 120
    while not all((registry.folder / f"ready{version}").exists() for version in racers):
        assert time.monotonic() < end
        assert all(process.poll() is None for process in racers.values())
        time.sleep(0.02)
    (registry.folder / "go").touch()
    said = {version: process.communicate(timeout=120)[1] for version, process in racers.items()}
    return sorted(
        (process.returncode, version, said[version]) for version, process in racers.items()
    )


def test_of_two_at_once_one_wins_and_the_other_is_told(registry: Registry) -> None:
    promote_to(BASE, first=True)
    (won, winner, _), (lost, loser, said) = race(registry)
    assert (won, lost) == (0, 4), said
    assert f"to version {winner}" in said
    assert "is at work" in said or "was 1 when this was decided" in said
    assert registry.aliases == {"champion": winner, "previous": BASE}
    ended = {entry["to"]: entry["state"] for entry in registry.entries()[1:]}
    assert ended == {winner: "done", loser: "refused"}


# What the store must refuse so that the process can neither go on after it moved `previous` nor put it back.
FENCE = (
    "CREATE TRIGGER a BEFORE UPDATE ON registered_model_aliases WHEN NEW.alias = 'champion' "
    "BEGIN SELECT RAISE(ABORT, 'full'); END",
    "CREATE TRIGGER b BEFORE INSERT ON registered_model_aliases WHEN NEW.alias = 'champion' "
    "BEGIN SELECT RAISE(ABORT, 'full'); END",
    "CREATE TRIGGER c BEFORE DELETE ON registered_model_aliases BEGIN SELECT RAISE(ABORT, 'full'); END",
)


def break_between(registry: Registry, version: str) -> None:
    """Let a promotion fail between `previous` and `champion` and its process end there."""
    file = registry.folder / "mlflow.db"
    with closing(sqlite3.connect(file)) as store, store:
        for statement in FENCE:
            store.execute(statement)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.promote", "--version", version, "--device", "cpu"],
        cwd=registry.folder, env=registry.workspace.environment, text=True, capture_output=True, check=False,
    )  # fmt: skip
    with closing(sqlite3.connect(file)) as store, store:
        for name in "abc":
            store.execute(f"DROP TRIGGER {name}")
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert "shows how far it came" in done.stderr


def test_a_promotion_that_died_between_the_aliases_is_undone_by_the_next(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    promote_to(BASE, first=True)
    break_between(registry, BETTER)
    assert registry.aliases == {"champion": BASE, "previous": BASE}
    assert registry.states() == ["done", "open"]
    looked = promote_to(BEST, dry_run=True)
    assert "version 2, since" in looked.to_text()
    assert "is unfinished; the next promotion repairs it" in looked.to_text()
    assert registry.states() == ["done", "open"]
    # A rollback right after it must not go "back" to the champion: there is none before it.
    assert rollback_command.main([]) == 4
    assert registry.aliases == {"champion": BASE}
    assert registry.states() == ["done", "undone", "done"]
    assert [entry["kind"] for entry in registry.entries()][-1] == "repair"
    outcome = promote_to(BETTER)
    assert outcome.moved
    assert registry.aliases == {"champion": BETTER, "previous": BASE}


def leave(registry: Registry, to: str, *, process: str, **aliases: str) -> None:
    """Leave what a process does that opens an entry, moves some aliases and goes no further."""
    with opened(load_params(Path("params.yaml"))) as session:
        draft = Draft("promote", registry.aliases["champion"], to, None)
        add_entry(session, MODEL, draft, ticket="t", state="open")
        for alias, version in aliases.items():
            set_alias(session, MODEL, alias, version)
    with closing(sqlite3.connect(registry.folder / "mlflow.db")) as store, store:
        store.execute(
            "UPDATE model_version_tags SET value = ? WHERE key = 'process' AND version = 2",
            (process,),
        )


@pytest.fixture(scope="module")
def dead() -> str:
    """A process that ran here and ended."""
    sleeper = subprocess.Popen(["sleep", "60"])
    known = process_id(sleeper.pid)
    assert not is_dead(known)
    sleeper.kill()
    sleeper.wait()
    return known


def test_only_what_ran_here_is_known_to_be_dead(dead: str) -> None:
    boot, namespace, pid, start = dead.split()
    assert is_dead(dead)
    assert is_dead(f"{boot} {namespace} {os.getpid()} {start}")  # the number went to another one
    assert not is_dead(process_id())
    assert not is_dead(f"{boot}0 {namespace} {pid} {start}")
    assert not is_dead(f"{boot} pid:[0] {pid} {start}")
    assert not is_dead("")


def test_the_promotion_that_repairs_says_so_and_goes_on(registry: Registry, dead: str) -> None:
    promote_to(BASE, first=True)
    leave(registry, BETTER, process=dead, previous=BASE)
    outcome = promote_to(BEST)
    assert (
        "was left unfinished: champion was not moved yet; previous was put back" in outcome.notes[0]
    )
    assert registry.aliases == {"champion": BEST, "previous": BASE}


def test_one_that_died_after_champion_was_moved_is_finished(registry: Registry, dead: str) -> None:
    promote_to(BASE, first=True)
    leave(registry, BETTER, process=dead, previous=BASE, champion=BETTER)
    outcome = promote_to(BETTER)
    assert "champion was moved already; the rest was finished" in outcome.to_text()
    assert "is the champion already" in outcome.to_text()
    assert registry.states() == ["done", "done", "done"]
    assert registry.tags(BETTER)["promoted.from"] == BASE


def test_one_whose_aliases_were_since_moved_by_hand_is_left_alone(
    registry: Registry, dead: str
) -> None:
    promote_to(BASE, first=True)
    leave(registry, BETTER, process=dead, champion=BEST)
    outcome = promote_to(BETTER)
    assert "moved by hand; the aliases were left alone" in outcome.notes[0]
    assert registry.states()[1] == "abandoned"
    assert registry.aliases == {"champion": BEST}


ELSEWHERE_ALIVE = "boot-of-another-machine pid:[1] 7 8"


def test_who_comes_while_another_is_at_work_is_told_who_and_moves_nothing(
    registry: Registry,
) -> None:
    promote_to(BASE, first=True)
    leave(registry, BETTER, process=ELSEWHERE_ALIVE)
    told = r"promote to version 2, since .* \(entry 2 of toy-segmenter\.promotions\) is at work.*in 10 minutes"
    for dry_run in (False, True):
        with pytest.raises(GateError, match=told):
            promote_to(BEST, dry_run=dry_run)
    with pytest.raises(GateError, match=told):
        rollback()
    assert registry.aliases == {"champion": BASE}
    assert registry.states() == ["done", "open"]


def test_a_ticket_of_another_machine_is_abandoned_when_it_is_old(registry: Registry) -> None:
    promote_to(BASE, first=True)
    leave(registry, BETTER, process=ELSEWHERE_ALIVE)
    params = (registry.folder / "params.yaml").read_text()
    (registry.folder / "params.yaml").write_text(
        params.replace("abandoned_minutes: 10", "abandoned_minutes: 0.0001")
    )
    assert promote_to(BEST).moved
    assert registry.states() == ["done", "undone", "done", "done"]


def test_a_process_that_wakes_up_after_it_was_undone_moves_nothing(registry: Registry) -> None:
    promote_to(BASE, first=True)
    with opened(load_params(Path("params.yaml"))) as session:
        slow = take_ticket(session, MODEL, Draft("promote", BASE, BETTER, None), patience_s=60.0)
        assert len(repair_unfinished(session, MODEL, patience_s=0.0)) == 1
        with pytest.raises(GateError, match=r"entry 2 of .*promotions took longer"):
            move_aliases(session, slow)
        assert registry.aliases == {"champion": BASE}
        set_alias(session, MODEL, "previous", BASE)  # it slept just before it did that
        with pytest.raises(GateError, match="was undone by another"):
            move_aliases(session, slow)
    assert registry.aliases == {"champion": BASE}
