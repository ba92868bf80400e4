"""Promotion, rollback and ledger on a real registry: what moves, what does not, and what happens half way."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ocrnet.errors import BundleError, DataError, GateError, ParamsError, StoreError
from ocrnet.params_file import load_params
from pipelines import promote as promote_command
from pipelines import promotions as promotions_command
from pipelines import rollback as rollback_command
from pipelines._mlflow.aliases import set_alias
from pipelines._mlflow.process import is_dead, process_id
from pipelines._mlflow.promotion import Outcome, PromoteOptions, opened, promote, rollback
from pipelines._mlflow.promotions import Draft, add_entry
from pipelines._mlflow.tickets import move_aliases, repair_unfinished, take_ticket

from .registered import (
    BASE,
    BEST,
    BETTER,
    ELSEWHERE,
    LOPSIDED,
    MODEL,
    Registry,
    copy_registry,
    publish_versions,
)

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_versions(tmp_path_factory)


@pytest.fixture
def registry(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    registry = copy_registry(published, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.workspace.uri)
    for name in ("PREFECT__FLOW_RUN_ID", "PREFECT_FLOW_RUN_ID", "MLFLOW_TRACKING_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    return registry


def run(version: str, **options: Any) -> Outcome:
    return promote(PromoteOptions(version=version, device="cpu", **options))


def test_a_first_model_needs_to_be_asked_for_and_to_reach_the_least_scores(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--version", BASE, "--device", "cpu"]
    assert promote_command.main(argv) == 4
    assert "asked for as first (--first): no, allowed >= yes" in capsys.readouterr().out
    assert registry.aliases == {}
    assert registry.states() == ["refused"]
    assert run(LOPSIDED, first=True).exit_code == 4  # a tenth of the dots is right: 0.1 of a union
    assert registry.aliases == {}
    assert promote_command.main([*argv, "--first", "--reason", "launch"]) == 0
    assert "champion is version 1, the first (entry 3 of" in capsys.readouterr().out
    assert registry.aliases == {"champion": BASE}


def test_a_better_one_becomes_champion_and_leaves_its_trace(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "run-7")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    run(BASE, first=True)
    outcome = run("challenger", dry_run=True)  # the one published last
    assert outcome.to == ELSEWHERE
    outcome = run(BETTER)
    assert (outcome.moved, outcome.champion, outcome.to, outcome.entry) == (True, BASE, BETTER, 2)
    assert registry.aliases == {"champion": BETTER, "previous": BASE}
    entry = registry.entries()[-1]
    for name, value in {
        "kind": "promote", "state": "done", "from": BASE, "to": BETTER, "prefect.flow_run_id": "run-7",
        "bootstrap": "100 resamples over 8 images, seed 0", "challenger.seed": "0", "reasons": "",
        "test_sha256": outcome.decision.figures["test_sha256"] if outcome.decision else "",
    }.items():  # fmt: skip
        assert entry[name] == value, name
    assert entry["by"] == f"ann@{socket.gethostname()}"
    assert entry["challenger.weights_sha256"] == registry.tags(BETTER)["weights_sha256"]
    kept = json.loads(entry["decision"])
    assert kept["promote"] is True
    assert kept["figures"]["scored"] == {
        "version 1": "by evaluate, on this test split", "version 2": "by evaluate, on this test split",
    }  # fmt: skip
    assert kept["figures"]["latency_s"]["cpu"]["champion_s"] > 0
    tags = registry.tags(BETTER)
    assert (tags["promoted.from"], tags["promoted.entry"]) == (BASE, "2")
    assert tags["promoted.prefect.flow_run_id"] == "run-7"
    assert tags["promoted.miou_difference"] == entry["miou_difference"]
    assert promotions_command.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["entry", "2", "1"]
    assert entry["miou_difference"] in lines[1]


def test_a_dry_run_prints_the_table_and_changes_nothing(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    run(BASE, first=True)
    before = (registry.aliases, registry.entries(), registry.tags(BETTER))
    argv = ["--dry-run", "--device", "cpu", "--version"]
    assert promote_command.main([*argv, BETTER]) == 0
    assert "version 2 would be promoted; nothing was changed" in capsys.readouterr().out
    assert promote_command.main([*argv, LOPSIDED]) == 4
    assert "version 4 would be refused" in capsys.readouterr().out
    assert (registry.aliases, registry.entries(), registry.tags(BETTER)) == before


def test_a_refusal_moves_nothing_and_is_kept_with_its_reasons(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    run(BETTER, first=True)
    assert promote_command.main(["--version", BASE, "--device", "cpu"]) == 4
    said = capsys.readouterr().out
    assert "version 1 is refused: mIoU difference, low end of 95 %: -" in said
    assert registry.aliases == {"champion": BETTER}
    assert registry.states() == ["done", "refused"]
    assert registry.entries()[-1]["reasons"].startswith("mIoU difference")


def test_the_champion_is_not_promoted_again(registry: Registry) -> None:
    run(BASE, first=True)
    outcome = run(BASE)
    assert (outcome.exit_code, outcome.moved, outcome.entry) == (0, False, None)
    assert "is the champion already" in outcome.to_text()
    assert registry.states() == ["done"]


def test_rollback_restores_the_one_before_and_can_itself_be_taken_back(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollback_command.main([]) == 4
    run(BASE, first=True)
    assert rollback_command.main([]) == 4
    said = capsys.readouterr().err.splitlines()
    assert (
        said
        == ["rollback: toy-segmenter: no version has the alias previous: nothing to go back to."]
        * 2
    )
    run(BETTER)
    assert rollback_command.main(["--reason", "misses dots"]) == 0
    assert "champion is version 1, before it was version 2" in capsys.readouterr().out
    assert registry.aliases == {"champion": BASE, "previous": BETTER}
    assert registry.entries()[-1]["reason"] == "misses dots"
    assert rollback().to == BETTER
    assert registry.aliases == {"champion": BETTER, "previous": BASE}
    assert [entry["kind"] for entry in registry.entries()] == ["promote"] * 2 + ["rollback"] * 2


def test_a_champion_that_was_evaluated_on_other_data_is_scored_anew(registry: Registry) -> None:
    """Its stored scores are perfect, of another test split; on today's its random weights are not."""
    with opened(load_params(Path("params.yaml"))) as session:
        set_alias(session, MODEL, "champion", ELSEWHERE)
    outcome = run(BETTER)
    assert outcome.decision is not None
    assert outcome.decision.figures["scored"] == {
        "version 2": "by evaluate, on this test split", "version 5": "now",
    }  # fmt: skip
    assert outcome.decision.figures["champion"]["miou"] < 0.5
    assert registry.aliases == {"champion": BETTER, "previous": ELSEWHERE}


def test_both_are_scored_anew_where_the_test_split_changed(registry: Registry) -> None:
    run(BASE, first=True)
    table = (registry.folder / "data/prepare/manifest.csv").read_text().splitlines()
    kept = [line for line in table if not line.startswith("test_07")]
    (registry.folder / "data/prepare/manifest.csv").write_text("\n".join(kept) + "\n")
    decision = run(BETTER, dry_run=True).decision
    assert decision is not None
    assert set(decision.figures["scored"].values()) == {"now"}
    assert decision.figures["images"] == 7


def test_a_champion_of_other_classes_needs_a_first_model(
    registry: Registry, published: Path
) -> None:
    run(BASE, first=True)
    with pytest.raises(ParamsError, match="version 1 is champion and can be compared with"):
        run(BETTER, first=True)
    classes = json.loads((registry.folder / "data/prepare/classes.json").read_text())
    classes["class_names"] = ["floor", "square", "spot"]
    (registry.folder / "data/prepare/classes.json").write_text(json.dumps(classes))
    manifest = registry.folder / "data/prepare/manifest.csv"
    manifest.write_text(manifest.read_text().replace("px_dot", "px_spot"))
    with pytest.raises(DataError, match=r"the champion, knows .*'dot'.*Ask with --first"):
        run(BETTER)
    with pytest.raises(BundleError, match=r"version 2: the model knows .*'dot'"):
        run(BETTER, first=True)
    assert registry.aliases == {"champion": BASE}


def test_what_is_not_there_is_one_line(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = {
        ("--version", "9"): (3, "no version 9 in sqlite:///"),
        ("--version", "nobody"): (3, "no version with the alias 'nobody'"),
        ("--model", "none"): (3, "none: no version with the alias 'challenger'"),
        ("--version", BASE, "--first", "--device", "gpu"): (2, "This machine has: auto, cpu"),
        ("--quick",): (2, "unrecognized arguments: --quick. See: python -m pipelines.promote"),
    }
    for argv, (code, words) in cases.items():
        assert promote_command.main(argv) == code
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
    assert rollback_command.main(["--model", "none"]) == 3
    assert "none: no such model" in capsys.readouterr().err
    assert promotions_command.main(["--model", "none"]) == 0
    assert "No promotion yet" in capsys.readouterr().out


def test_a_server_that_is_away_is_one_line(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@127.0.0.1:9")
    with pytest.raises(StoreError, match="refused") as caught:
        run(BASE)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


RACER = """
import sys, time
from pathlib import Path
from ocrnet.errors import OcrnetError
from ocrnet.params_file import load_params
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
    run(BASE, first=True)
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
    run(BASE, first=True)
    break_between(registry, BETTER)
    assert registry.aliases == {"champion": BASE, "previous": BASE}
    assert registry.states() == ["done", "open"]
    looked = run(BEST, dry_run=True)
    assert "version 2, since" in looked.to_text()
    assert "is unfinished; the next promotion repairs it" in looked.to_text()
    assert registry.states() == ["done", "open"]
    # A rollback right after it must not go "back" to the champion: there is none before it.
    assert rollback_command.main([]) == 4
    assert registry.aliases == {"champion": BASE}
    assert registry.states() == ["done", "undone", "done"]
    assert [entry["kind"] for entry in registry.entries()][-1] == "repair"
    outcome = run(BETTER)
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
    run(BASE, first=True)
    leave(registry, BETTER, process=dead, previous=BASE)
    outcome = run(BEST)
    assert (
        "was left unfinished: champion was not moved yet; previous was put back" in outcome.notes[0]
    )
    assert registry.aliases == {"champion": BEST, "previous": BASE}


def test_one_that_died_after_champion_was_moved_is_finished(registry: Registry, dead: str) -> None:
    run(BASE, first=True)
    leave(registry, BETTER, process=dead, previous=BASE, champion=BETTER)
    outcome = run(BETTER)
    assert "champion was moved already; the rest was finished" in outcome.to_text()
    assert "is the champion already" in outcome.to_text()
    assert registry.states() == ["done", "done", "done"]
    assert registry.tags(BETTER)["promoted.from"] == BASE


def test_one_whose_aliases_were_since_moved_by_hand_is_left_alone(
    registry: Registry, dead: str
) -> None:
    run(BASE, first=True)
    leave(registry, BETTER, process=dead, champion=BEST)
    outcome = run(BETTER)
    assert "moved by hand; the aliases were left alone" in outcome.notes[0]
    assert registry.states()[1] == "abandoned"
    assert registry.aliases == {"champion": BEST}


ELSEWHERE_ALIVE = "boot-of-another-machine pid:[1] 7 8"


def test_who_comes_while_another_is_at_work_is_told_who_and_moves_nothing(
    registry: Registry,
) -> None:
    run(BASE, first=True)
    leave(registry, BETTER, process=ELSEWHERE_ALIVE)
    told = r"promote to version 2, since .* \(entry 2 of toy-segmenter\.promotions\) is at work.*in 10 minutes"
    for dry_run in (False, True):
        with pytest.raises(GateError, match=told):
            run(BEST, dry_run=dry_run)
    with pytest.raises(GateError, match=told):
        rollback()
    assert registry.aliases == {"champion": BASE}
    assert registry.states() == ["done", "open"]


def test_a_ticket_of_another_machine_is_abandoned_when_it_is_old(registry: Registry) -> None:
    run(BASE, first=True)
    leave(registry, BETTER, process=ELSEWHERE_ALIVE)
    params = (registry.folder / "params.yaml").read_text()
    (registry.folder / "params.yaml").write_text(
        params.replace("abandoned_minutes: 10", "abandoned_minutes: 0.0001")
    )
    assert run(BEST).moved
    assert registry.states() == ["done", "undone", "done", "done"]


def test_a_process_that_wakes_up_after_it_was_undone_moves_nothing(registry: Registry) -> None:
    run(BASE, first=True)
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


def test_it_all_works_over_a_server(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    environment = {**registry.workspace.environment, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (registry.folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [
                sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "2",
                "--backend-store-uri", registry.workspace.uri, "--artifacts-destination", "served",
            ],
            cwd=registry.folder, env={**environment, "MLFLOW_DISABLE_TELEMETRY": "true"}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        wait_for(port)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert run(BASE, first=True).moved
        assert run(BETTER).moved
        assert registry.aliases == {"champion": BETTER, "previous": BASE}
        assert rollback().to == BASE
        assert registry.aliases == {"champion": BASE, "previous": BETTER}
        assert registry.states() == ["done"] * 3
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def wait_for(port: int) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.2)
        else:
            return


def test_the_ledger_is_a_model_of_its_own(registry: Registry) -> None:
    run(BASE, first=True)
    names = {name for (name,) in registry.store.query("SELECT name FROM registered_models")}
    assert names == {MODEL, f"{MODEL}.promotions"}
