"""Promotion, rollback and ledger on a real registry: what moves, what does not."""

import json
import socket
from pathlib import Path

import pytest

from ocrnet.config.params_file import load_params
from ocrnet.errors import DataError, ParamsError
from ocrnet.evaluation.scored_split import read_test_split
from ocrnet.inference.scoring_protocol import ScoringProtocol
from pipelines import ledger as ledger_command
from pipelines import promote as promote_command
from pipelines import rollback as rollback_command
from pipelines._mlflow.promotion import opened, rollback
from pipelines._mlflow.versions import find_version, stored_scores
from tests.base_params import write_params
from tests.ocrnet.evaluation.things import add_things

from .registered import (
    BASE,
    BETTER,
    ELSEWHERE,
    LOPSIDED,
    MODEL,
    PARAMS,
    Registry,
    promote_to,
)

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_a_first_model_needs_to_be_asked_for_and_to_reach_the_least_scores(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--version", BASE, "--device", "cpu"]
    assert promote_command.main(argv) == 4
    assert "first model requested (--first): no, allowed >= yes" in capsys.readouterr().out
    assert registry.aliases == {}
    assert registry.states() == ["refused"]
    assert (
        promote_to(LOPSIDED, first=True).exit_code == 4
    )  # a tenth of the dots is right: 0.1 of a union
    assert registry.aliases == {}
    assert promote_command.main([*argv, "--first", "--reason", "launch"]) == 0
    assert "champion is version 1, the first (entry 3 of" in capsys.readouterr().out
    assert registry.aliases == {"champion": BASE}


def test_a_better_one_becomes_champion_and_leaves_its_trace(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "run-7")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    promote_to(BASE, first=True)
    outcome = promote_to("challenger", dry_run=True)  # the one published last
    assert outcome.to == ELSEWHERE
    outcome = promote_to(BETTER)
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
    assert ledger_command.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["entry", "2", "1"]
    assert entry["miou_difference"] in lines[1]


def test_a_dry_run_prints_the_table_and_changes_nothing(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    promote_to(BASE, first=True)
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
    promote_to(BETTER, first=True)
    assert promote_command.main(["--version", BASE, "--device", "cpu"]) == 4
    said = capsys.readouterr().out
    assert "version 1 is refused: mIoU difference, low end of 95 %: -" in said
    assert registry.aliases == {"champion": BETTER}
    assert registry.states() == ["done", "refused"]
    assert registry.entries()[-1]["reasons"].startswith("mIoU difference")


def test_the_gate_may_be_asked_on_objects(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are scored again, since `evaluate` keeps no matched objects; neither of these networks is trained."""
    promote_to(BASE, first=True)
    names = ["floor", "square", "dot"]
    data = {"source": "folder", "path": "raw", "classes": names, "things": names[1:]}
    asked = {**PARAMS, "data": data, "evaluate": {"bootstrap": 100, "metric": "pq"}}
    write_params(registry.folder / "params.yaml", asked)
    argv = ["--version", BETTER, "--device", "cpu"]
    with pytest.raises(DataError, match=r"the test split shows no object of data\.things"):
        promote_to(BETTER)
    add_things(registry.folder / "data/prepare", ("square", "dot"))
    assert promote_command.main(argv) == 4
    assert "version 2 is refused: PQ difference, low end of 95 %: " in capsys.readouterr().out
    entry = registry.entries()[-1]
    figures = json.loads(entry["decision"])["figures"]
    assert set(figures["scored"].values()) == {"now"}
    assert figures["metric"] == "pq"
    assert "miou_difference" not in entry
    assert ledger_command.main([]) == 0
    assert f"PQ {entry['pq_difference']}" in capsys.readouterr().out


def test_the_champion_is_not_promoted_again(registry: Registry) -> None:
    promote_to(BASE, first=True)
    outcome = promote_to(BASE)
    assert (outcome.exit_code, outcome.moved, outcome.entry) == (0, False, None)
    assert "is the champion already" in outcome.to_text()
    assert registry.states() == ["done"]


def test_rollback_restores_the_one_before_and_can_itself_be_taken_back(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollback_command.main([]) == 4
    promote_to(BASE, first=True)
    assert rollback_command.main([]) == 4
    said = capsys.readouterr().err.splitlines()
    assert (
        said
        == ["rollback: toy-segmenter: there was no champion before: nothing to go back to."] * 2
    )
    promote_to(BETTER)
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
        session.client.set_registered_model_alias(MODEL, "champion", ELSEWHERE)
    outcome = promote_to(BETTER)
    assert outcome.decision is not None
    assert outcome.decision.figures["scored"] == {
        "version 2": "by evaluate, on this test split", "version 5": "now",
    }  # fmt: skip
    assert outcome.decision.figures["champion"]["miou"] < 0.5
    assert registry.aliases == {"champion": BETTER, "previous": ELSEWHERE}


def test_both_are_scored_anew_where_the_test_split_changed(registry: Registry) -> None:
    promote_to(BASE, first=True)
    table = (registry.folder / "data/prepare/manifest.csv").read_text().splitlines()
    kept = [line for line in table if not line.startswith("test_07")]
    (registry.folder / "data/prepare/manifest.csv").write_text("\n".join(kept) + "\n")
    decision = promote_to(BETTER, dry_run=True).decision
    assert decision is not None
    assert set(decision.figures["scored"].values()) == {"now"}
    assert decision.figures["images"] == 7


def test_a_champion_of_other_classes_needs_a_first_model(registry: Registry) -> None:
    promote_to(BASE, first=True)
    with pytest.raises(ParamsError, match="version 1 is champion and can be compared with"):
        promote_to(BETTER, first=True)
    classes = json.loads((registry.folder / "data/prepare/classes.json").read_text())
    classes["class_names"] = ["floor", "square", "spot"]
    (registry.folder / "data/prepare/classes.json").write_text(json.dumps(classes))
    manifest = registry.folder / "data/prepare/manifest.csv"
    manifest.write_text(manifest.read_text().replace("px_dot", "px_spot"))
    with pytest.raises(DataError, match=r"the champion, has the classes .*'dot'.*Use --first"):
        promote_to(BETTER)
    with pytest.raises(DataError, match=r"version 2: the model has the classes .*'dot'"):
        promote_to(BETTER, first=True)
    assert registry.aliases == {"champion": BASE}


def test_what_is_not_there_is_one_line(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = {
        ("--version", "9"): (3, "no version 9 in sqlite:///"),
        ("--version", "nobody"): (3, "no version with the alias 'nobody'"),
        ("--model", "none"): (3, "none: no version with the alias 'challenger'"),
        ("--version", BASE, "--first", "--device", "gpu"): (
            2,
            "--device: found 'gpu'. Give auto, cpu, cuda",
        ),
        ("--quick",): (2, "unrecognized arguments: --quick. See: python -m pipelines.promote"),
    }
    for argv, (code, words) in cases.items():
        assert promote_command.main(argv) == code
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
    assert rollback_command.main(["--model", "none"]) == 3
    assert "none: no such model" in capsys.readouterr().err
    assert ledger_command.main(["--model", "none"]) == 0
    assert "No promotion yet" in capsys.readouterr().out


def test_the_ledger_is_a_model_of_its_own(registry: Registry) -> None:
    promote_to(BASE, first=True)
    names = {name for (name,) in registry.store.query("SELECT name FROM registered_models")}
    assert names == {MODEL, f"{MODEL}.promotions"}


@pytest.mark.parametrize("text", ["[]", "{", '{"models": 3}', '{"models": [{}]}'])
def test_damaged_scores_are_no_scores(
    registry: Registry, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    """A file that was damaged in the store: the version is scored again, and a warning says why."""
    params = load_params(Path("params.yaml"))
    split = read_test_split(Path("data/prepare"))
    protocol = ScoringProtocol.of(params.evaluate)
    with opened(params) as session:
        version = find_version(session, MODEL, BASE)
        assert stored_scores(session, version, split, protocol) is not None
        kept = {
            file: file.read_text() for file in Path("mlartifacts").resolve().rglob("scores.json")
        }
        try:
            for file in kept:
                file.write_text(text)
            assert stored_scores(session, version, split, protocol) is None
        finally:
            for file, content in kept.items():
                file.write_text(content)
    assert "damaged" in caplog.text
