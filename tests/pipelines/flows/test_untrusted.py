"""What a person or a page gives a flow or a command: nothing of it is an option, a shell's or a path elsewhere."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from re import ASCII, fullmatch
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from prefect.client.schemas.objects import State
from prefect.logging.loggers import disable_run_logger
from ruamel.yaml import YAML

from ocrnet.errors import ParamsError
from pipelines import deploy, fetch_run, paint, promote, publish, rebuild, rollback, score
from pipelines._dvc_files.lock_check import Templates
from pipelines._repository.clones import (
    LOCK_FILE,
    check_out,
    check_params,
    hold_clone,
    resolve_revision,
)
from pipelines.flows import (
    command,
    command_flow,
    drift_flow,
    pipeline,
    promotion_flows,
    stage,
    watch,
)
from tests.base_params import full_values

from ..hostile import MARK, marks, words
from .toy import ROOT, Toy, make_toy

pytestmark = pytest.mark.tools
MANY = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ZERO = "0" * 40
LOCK = {"schema": "2.0", "stages": {}}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(autouse=True)
def place(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("GIT_CONFIG_GLOBAL", "HOME", "DVC_SITE_CACHE_DIR"):
        monkeypatch.setenv(name, toy.environment[name])
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")  # where nobody listens
    monkeypatch.setenv("OCRNET_CLONES", str(toy.root / "clones"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    with disable_run_logger():
        yield work
    assert marks(tmp_path, toy.root) == []
    assert not list(ROOT.glob(f"*{MARK}*"))


def assert_refused(state: State[Any], codes: tuple[str, ...] = ("Exit2", "Exit3")) -> None:
    assert state.is_failed()
    assert state.name in codes, state
    assert state.message
    assert "\n" not in state.message


@MANY
@given(word=words())
def test_no_parameter_of_the_pipeline_is_more_than_a_word(toy: Toy, word: str) -> None:
    origin = str(toy.origin)
    run = pipeline.pipeline.fn
    assert_refused(run(repository=word))
    assert_refused(run(repository=origin, revision=word))
    assert_refused(run(repository=origin, targets=[word]))
    assert_refused(run(repository=origin, overrides={word: 1}))
    if word:
        assert_refused(run(repository=origin, branch=word, targets=["train; x"]))


@MANY
@given(word=words())
def test_no_parameter_of_the_other_flows_is_more_than_a_word(toy: Toy, word: str) -> None:
    origin = str(toy.origin)
    assert_refused(watch.watch.fn(repository=word))
    assert_refused(watch.watch.fn(repository=origin, revision=word))
    assert_refused(stage.stage.fn(stage=word, repository=origin, commit=ZERO))
    assert_refused(stage.stage.fn(stage="train@0", repository=word, commit=ZERO))
    assert_refused(stage.stage.fn(stage="train@0", repository=origin, commit=word))
    assert_refused(promotion_flows.rollback.fn(repository=word))
    assert_refused(promotion_flows.promote.fn(repository=origin, revision=word))
    assert_refused(drift_flow.drift.fn(repository=origin, revision=word, folder="/photos"))
    if not word.startswith("/"):
        assert_refused(drift_flow.drift.fn(repository=origin, folder=word))
    for one in promotion_flows.promote, promotion_flows.rollback:
        if word.strip("@") and word != "a" * 5000:
            assert_refused(one.fn(repository=origin, revision="no-such", model=word))


@MANY
@given(word=words() | st.text())
def test_a_reason_is_one_argument_and_comes_out_as_it_went_in(word: str) -> None:
    with suppress(ParamsError):
        found = command_flow.options({"reason": word})
        assert [rollback.parser().parse_args([one]).reason for one in found] == [word] * bool(word)


def test_seeds_do_not_reach_a_shell(toy: Toy, tmp_path: Path) -> None:
    """Told by DVC's graph before the command is run, also in a commit that has no reader of params."""
    with hold_clone(str(toy.origin)) as clone:
        check_out(clone, resolve_revision(clone, "main"), {"seeds": [f"0; touch {MARK}"]})
        with pytest.raises(ParamsError, match=r"train@0; touch") as caught:
            command.advance(clone, [], [])
        assert "\n" not in str(caught.value)
        check_out(clone, resolve_revision(clone, "main"), {"train.nap": f"0; touch {MARK}"})
        code, lines = command.run_stage(clone, "train@0", log=lambda line: None)
        assert code == ParamsError.exit_code, lines
        assert marks(clone.folder) == []


@MANY
@given(word=words())
@example(word="ftp://x/y ")
@example(word="gan\x85")
def test_a_command_holds_plain_words_where_the_graph_leaves_it_open(word: str) -> None:
    graph = Templates(
        {"train": {"matrix": {"seed": "x"}, "cmd": "python -m train ${item.seed} ${ a }"}}
    )
    graph.check_command("train@0", "python -m train gan-0 0.1e-3")
    for made in (f"python -m train {word} 1", f"python -m train 1 {word}", word):
        if not fullmatch(r"[\w@%+=:,./][\w@%+=:,./-]*", word, ASCII):
            with pytest.raises(ParamsError, match=r"^train@0: the command would be ") as caught:
                graph.check_command("train@0", made)
            assert "\n" not in str(caught.value)


def test_the_params_of_a_commit_of_this_project_are_read_before_dvc_sees_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "ocrnet").symlink_to(ROOT / "ocrnet")
    good = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(good)
    check_params(tmp_path)
    for old, new in (
        ("seeds: [0]", f'seeds: ["0; touch {MARK}"]'),
        ("arms: [gan, copy_paste]", f'arms: ["gan; touch {MARK}"]'),
        ("  steps: 200\n  batch", "  steps: abc\n  batch"),
    ):
        assert old in good
        (tmp_path / "params.yaml").write_text(good.replace(old, new))
        with pytest.raises(ParamsError, match=r"^params\.yaml: (seeds|retrain\.arms|train\.steps)"):
            check_params(tmp_path)


@pytest.mark.parametrize(
    ("change", "words_of"),
    [
        ({"train@0": {"cmd": f"touch {MARK}"}}, "the command would be"),
        ({"train@0": {"outs": [{"path": f"../{MARK}"}]}}, "within the repository"),
        ({"train@0": {"outs": [{"path": "data/prepare"}]}}, "not one of its outs"),
        ({"train@0": {"outs": [{"path": "data/train/0", "md5": "../../x"}]}}, "md5"),
        (
            {"train@0": {"outs": [{"path": "data/train/0", "files": [{"relpath": "../x"}]}]}},
            "files",
        ),
        ({"no_such": {}}, "dvc.yaml has no such stage"),
        ({"--prune": {}}, "the name of a stage"),
    ],
)
def test_a_lock_that_a_stage_is_given_is_that_of_the_graph(
    toy: Toy, change: dict[str, Any], words_of: str
) -> None:
    with hold_clone(str(toy.origin)) as clone:
        commit = resolve_revision(clone, "main")
        entry = {"cmd": "python job.py data/train/0 2 0.1", "outs": [{"path": "data/train/0"}]}
        check_out(clone, commit, {})
        good = {"train@0": entry}
        stage.put_lock(clone, "evaluate", json.dumps({**LOCK, "stages": good}))
        assert (clone.folder / LOCK_FILE).exists()
    stages = {name: {**entry, **values} for name, values in change.items()}
    lock = json.dumps({**LOCK, "stages": stages})
    state = stage.stage.fn(stage="evaluate", repository=str(toy.origin), commit=commit, lock=lock)
    assert_refused(state, ("Exit2",))
    assert words_of in str(state.message)


@pytest.mark.parametrize(
    "lock", ["{", "[]", "a: &a [*a]", '{"stages": []}', "x", '{"stages": {"train@0": 1}}']
)
def test_a_lock_that_is_none_is_told_in_one_line(toy: Toy, lock: str) -> None:
    with hold_clone(str(toy.origin)) as clone:
        commit = resolve_revision(clone, "main")
    state = stage.stage.fn(stage="evaluate", repository=str(toy.origin), commit=commit, lock=lock)
    assert_refused(state, ("Exit2",))


def test_a_commit_whose_params_are_a_link_writes_nowhere_else(toy: Toy, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text("train: {nap: 1}\n")
    (toy.checkout / "params.yaml").unlink()
    (toy.checkout / "params.yaml").symlink_to(elsewhere)
    toy.run("git", "checkout", "-q", "-b", "linked")
    toy.run("git", "commit", "-qam", "linked")
    toy.run("git", "push", "-q", "origin", "linked")
    toy.run("git", "checkout", "-q", "main")
    with hold_clone(str(toy.origin)) as clone:
        commit = resolve_revision(clone, "linked")
        with pytest.raises(ParamsError, match="symbolic link"):
            check_out(clone, commit, {"train.nap": 2})
    assert elsewhere.read_text() == "train: {nap: 1}\n"


COMMANDS: dict[str, tuple[Any, list[list[str]]]] = {
    "deploy": (deploy.main, [["--repository={}"], ["--revision={}"], ["{}"], ["--repository", "{}"]]),
    "fetch_run": (fetch_run.main, [["{}"]]),
    "promote": (promote.main, [["--version={}"], ["--model={}"], ["--device={}"], ["--version", "{}"]]),
    "rollback": (rollback.main, [["--model={}"], ["--model", "{}"]]),
    "rebuild": (rebuild.main, [["{}"], ["1", "--model={}"], ["1", "--repository={}"], ["1", "--tolerance={}"]]),
    "score": (score.main, [["{}"], ["x", "--data={}"], ["x", "--device={}"], ["x", "--out", "{}"]]),
    "paint": (paint.main, [["{}", "m", "-ox.png"], ["i", "m", "-o", "{}"], ["i", "m", "-ox.png", "--gan={}"]]),
}  # fmt: skip
HELP = ("--help", "-h")


@pytest.mark.parametrize("name", COMMANDS)
@MANY
@given(word=words())
def test_no_argument_of_a_command_is_more_than_a_word(
    name: str,
    word: str,
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/none.db")
    (place / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    main, calls = COMMANDS[name]
    for call in calls:
        arguments = [one.replace("{}", word) for one in call]
        if "\0" in word or word in HELP or (not word and name in ("promote", "rollback")):
            continue  # no command line can hold a NUL; an empty name is that of params.yaml
        capsys.readouterr()
        assert main(arguments) in (2, 3), arguments
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"{name}: ")
    assert sorted(path.name for path in place.iterdir()) == ["params.yaml"]


@MANY
@given(word=words())
def test_no_name_in_the_params_reaches_a_query_of_the_registry(
    word: str, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/none.db")
    assume(not fullmatch(r"\w[\w. -]*", word))
    for name in ("experiment", "model_name"):
        publishing = {"experiment": "a", "model_name": "a", name: word}
        (place / "params.yaml").write_text(json.dumps(full_values({"publish": publishing})))
        (place / "dvc.lock").write_text(json.dumps(LOCK))
        capsys.readouterr()
        assert publish.main() == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("publish: ")
    assert not (place / "none.db").exists()


def test_a_person_s_own_seeds_and_arms_are_read_before_a_command_is_made_of_them() -> None:
    """DVC itself puts them into commands: the first stage depends on them, and all that use them on it."""
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    matrices = " ".join(str(one.get("matrix")) for one in stages.values())
    used = {key for key in ("seeds", "folds", "retrain.arms") if f"${{{key}}}" in matrices}
    assert used == {"seeds", "folds", "retrain.arms"}
    assert used <= set(stages["validate"]["params"])
