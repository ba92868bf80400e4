"""Promotions that die half way, sleep too long or come at once, on a real registry: what the next one does."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from ocrnet.config.params_file import load_params
from ocrnet.errors import GateError
from pipelines import ledger as ledger_command
from pipelines import rollback as rollback_command
from pipelines._mlflow.aliases import move_aliases
from pipelines._mlflow.promotion import opened, rollback
from pipelines._mlflow.promotion_ledger import Draft, add_entry, claim, ledger_name
from tests.limits import HANG_S

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
    end = time.monotonic() + HANG_S
    while not all((registry.folder / f"ready{version}").exists() for version in racers):
        assert time.monotonic() < end
        assert all(process.poll() is None for process in racers.values())
        time.sleep(0.02)
    (registry.folder / "go").touch()
    said = {version: process.communicate(timeout=HANG_S)[1] for version, process in racers.items()}
    return sorted(
        (process.returncode, version, said[version]) for version, process in racers.items()
    )


def test_of_two_at_once_one_wins_and_the_other_is_told(registry: Registry) -> None:
    promote_to(BASE, first=True)
    (won, winner, _), (lost, loser, said) = race(registry)
    assert (won, lost) == (0, 4), said
    assert f"to version {winner}" in said
    assert "is running" in said or "was 1 when this was decided" in said
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
    assert "shows how far the promotion came" in done.stderr


def expire(registry: Registry) -> None:
    """Let every open entry count as abandoned."""
    path = registry.folder / "params.yaml"
    path.write_text(path.read_text().replace("abandoned_minutes: 10", "abandoned_minutes: 0.0001"))


def test_a_promotion_that_died_between_the_aliases_holds_nobody_up(registry: Registry) -> None:
    promote_to(BASE, first=True)
    break_between(registry, BETTER)
    assert registry.aliases == {"champion": BASE, "previous": BASE}
    assert registry.states() == ["done", "open"]
    expire(registry)
    looked = promote_to(BEST, dry_run=True)
    assert "promote to version 2 by" in looked.to_text()
    assert "was abandoned" in looked.to_text()
    assert registry.states() == ["done", "open"]
    # A rollback right after it must not go "back" to the champion: there is none before it.
    assert rollback_command.main([]) == 4
    assert promote_to(BETTER).moved
    assert registry.aliases == {"champion": BETTER, "previous": BASE}
    assert registry.states() == ["done", "abandoned", "done"]


def leave(registry: Registry, to: str, **aliases: str) -> None:
    """Leave what a process does that opens an entry, moves some aliases and goes no further."""
    with opened(load_params(Path("params.yaml"))) as session:
        add_entry(session, MODEL, Draft("promote", registry.aliases["champion"], to), state="open")
        for alias, version in aliases.items():
            session.client.set_registered_model_alias(MODEL, alias, version)


def test_one_that_died_after_champion_was_moved_can_be_taken_back(registry: Registry) -> None:
    promote_to(BASE, first=True)
    leave(registry, BETTER, previous=BASE, champion=BETTER)
    expire(registry)
    assert "is the champion already" in promote_to(BETTER).to_text()
    assert rollback().to == BASE
    assert registry.aliases == {"champion": BASE, "previous": BETTER}
    assert registry.states() == ["done", "abandoned", "done"]


def test_a_rollback_asks_the_ledger_and_not_the_alias(registry: Registry) -> None:
    """A promotion to 3 died after it moved `previous` to 2: the champion before 2 is 1 all the same."""
    promote_to(BASE, first=True)
    promote_to(BETTER)
    leave(registry, BEST, previous=BETTER)
    expire(registry)
    assert rollback().to == BASE
    assert registry.aliases == {"champion": BASE, "previous": BETTER}


def test_a_champion_that_somebody_set_by_hand_is_compared_and_can_be_taken_back(
    registry: Registry,
) -> None:
    """The ledger knows nothing of it, so a rollback follows the alias."""
    promote_to(BASE, first=True)
    with opened(load_params(Path("params.yaml"))) as session:
        session.client.set_registered_model_alias(MODEL, "previous", BASE)
        session.client.set_registered_model_alias(MODEL, "champion", BETTER)
    assert rollback().to == BASE


def test_who_comes_while_another_is_running_is_refused_and_moves_nothing(
    registry: Registry,
) -> None:
    promote_to(BASE, first=True)
    leave(registry, BETTER)
    told = r"promote to version 2 by .* \(entry 2 of toy-segmenter\.promotions\) is running.*in 10 minutes"
    for dry_run in (False, True):
        with pytest.raises(GateError, match=told):
            promote_to(BEST, dry_run=dry_run)
    with pytest.raises(GateError, match=told):
        rollback()
    assert registry.aliases == {"champion": BASE}
    assert registry.states()[:2] == ["done", "open"]


def test_a_process_that_wakes_up_after_its_claim_was_closed_does_not_move_the_champion(
    registry: Registry,
) -> None:
    promote_to(BASE, first=True)
    with opened(load_params(Path("params.yaml"))) as session:
        slow = claim(session, MODEL, Draft("promote", BASE, BETTER), limit_s=60.0)
        quick = claim(session, MODEL, Draft("promote", BASE, BEST), limit_s=-1.0)
        assert quick.number > slow.number
        with pytest.raises(GateError, match=r"entry 2 of .*promotions took longer"):
            move_aliases(session, slow)
    assert registry.aliases["champion"] == BASE
    assert registry.states() == ["done", "abandoned", "open"]


def test_a_running_promotion_is_refused_by_the_clock_of_the_store_alone(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose clock is an hour ahead must not close a claim that was opened a second ago."""
    promote_to(BASE, first=True)
    with opened(load_params(Path("params.yaml"))) as session:
        claim(session, MODEL, Draft("promote", BASE, BETTER), limit_s=600.0)
        ahead = SimpleNamespace(time=lambda: time.time() + 3600)  # the store keeps its own clock
        monkeypatch.setattr("pipelines._mlflow.promotion_ledger.time", ahead)
        with pytest.raises(GateError, match=r"entry 2 of .* is running.* in 10 minutes"):
            claim(session, MODEL, Draft("promote", BASE, BEST), limit_s=600.0)
    assert registry.states() == ["done", "open", "refused"]


def test_an_entry_with_a_tag_deleted_by_hand_keeps_the_ledger_readable(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    promote_to(BASE, first=True)
    with opened(load_params(Path("params.yaml"))) as session:
        for tag in ("by", "at", "kind"):
            session.client.delete_model_version_tag(ledger_name(MODEL), "1", tag)
    assert ledger_command.main([]) == 0
    assert "?" in capsys.readouterr().out
    assert promote_to(BETTER).moved
