"""What the registry says of a version is a stranger's word: none of it is an option, a shell's or a path elsewhere."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from ruamel.yaml import YAML

from pipelines import rebuild
from pipelines._dvc_files.lock import key_of, load_plain_yaml

from .flows.toy import ROOT, Toy, make_toy
from .hostile import MARK, marks, words
from .store import copy_empty_store

pytestmark = [pytest.mark.tools, pytest.mark.filterwarnings("ignore")]
MODEL = "toy"
Stages = dict[str, dict[str, Any]]


@dataclass
class Registry:
    """A registry with one version, made by hand, and the repository that it says it is from."""

    toy: Toy
    uri: str
    run: str
    artifacts: Path

    def set(self, name: str, value: str) -> None:
        from mlflow import MlflowClient

        MlflowClient(self.uri).set_model_version_tag(MODEL, "1", name, value)

    @contextmanager
    def tag(self, name: str, value: str) -> Iterator[None]:
        """Change a tag of the version for a while."""
        from mlflow import MlflowClient

        before = MlflowClient(self.uri).get_model_version(MODEL, "1").tags[name]
        self.set(name, value)
        yield
        self.set(name, before)

    def hold(self, lock: bytes, params: bytes) -> None:
        """Have the run keep these files, and the version name them."""
        for name, content in (("dvc.lock", lock), ("params.yaml", params)):
            (self.artifacts / "provenance" / name).write_bytes(content)
        self.set("dvc.lock_md5", hashlib.md5(lock).hexdigest())
        stages = load_plain_yaml(lock, Path("dvc.lock"))["stages"]
        for tag, stage in (("dvc.stage_key", "train@0"), ("evaluate.stage_key", "evaluate")):
            self.set(tag, key_of(stage, stages[stage]))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    from mlflow import MlflowClient

    toy = make_toy(tmp_path_factory.mktemp("toy"))
    toy.run("dvc", "repro", "-q")
    toy.run("dvc", "push", "-q")
    store = tmp_path_factory.mktemp("store")
    copy_empty_store(tmp_path_factory, store / "mlflow.db")
    uri = f"sqlite:///{store}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment("toy", artifact_location=(store / "artifacts").as_uri())
    run = client.create_run(experiment).info.run_id
    client.create_registered_model(MODEL)
    head = toy.run("git", "rev-parse", "HEAD").strip()
    tags = {
        "git.sha": head, "git.dirty": "false", "stage": "train@0", "metrics": "{}", "dvc.lock_md5": "",
        "dvc.stage_key": "", "evaluate.stage_key": "", "weights_sha256": "0" * 64,
    }  # fmt: skip
    client.create_model_version(MODEL, f"runs:/{run}/x", run, tags=tags)
    artifacts = store / "artifacts" / run / "artifacts"
    (artifacts / "provenance").mkdir(parents=True)
    return Registry(toy, uri, run, artifacts)


@pytest.fixture
def place(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_CONFIG_GLOBAL", "HOME", "DVC_SITE_CACHE_DIR", "PYTHONPATH"):
        monkeypatch.setenv(name, registry.toy.environment[name])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    registry.hold(lock_of(registry), params_of(registry))
    yield tmp_path
    assert marks(tmp_path, registry.toy.root) == []
    assert not list(ROOT.glob(f"*{MARK}*"))


def lock_of(registry: Registry) -> bytes:
    return (registry.toy.checkout / "dvc.lock").read_bytes()


def params_of(registry: Registry) -> bytes:
    return (registry.toy.checkout / "params.yaml").read_bytes()


def told(registry: Registry, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Rebuild, which must fail for a reason of the registry's, and return the one line that is told."""
    capsys.readouterr()
    given = ["1", "--model", MODEL, "--repository", str(registry.toy.origin), *arguments]
    assert rebuild.main(given) == 3
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.slow
def test_a_version_that_nobody_changed_comes_as_far_as_its_weights(
    registry: Registry, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The toy's stages write none; that they are missed shows that all checks before let it through."""
    assert re.search(
        r"weights\.safetensors: train@0 of this commit did not rebuild", told(registry, capsys)
    )


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(word=words())
def test_no_tag_of_a_version_is_more_than_a_word(
    registry: Registry, place: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    word = word.encode(errors="replace").decode().replace("\0", "?")  # what a store takes
    for name in (
        "git.sha",
        "stage",
        "dvc.stage_key",
        "evaluate.stage_key",
        "metrics",
        "weights_sha256",
    ):
        with registry.tag(name, word):
            assert f"tag {name}: found" in told(registry, capsys)


def test_the_upload_pack_in_a_tag_is_no_option_of_git(
    registry: Registry, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also in the tag of the run of the evaluation, which a later commit is taken from."""
    from mlflow import MlflowClient

    word = f"--upload-pack=touch {MARK}; git-upload-pack"
    with registry.tag("git.sha", word):
        assert "tag git.sha: found" in told(registry, capsys)
    client = MlflowClient(registry.uri)
    key = client.get_model_version(MODEL, "1").tags["evaluate.stage_key"]
    for name, value in (("dvc.stage_key", key), ("git.sha", word)):
        client.set_tag(registry.run, name, value)
    assert "tag git.sha: found" in told(registry, capsys)
    client.delete_tag(registry.run, "git.sha")


def changed(registry: Registry, stage: str, **values: Any) -> bytes:
    """Return the lock with an entry changed."""
    stages: Stages = YAML(typ="safe").load(lock_of(registry))["stages"]
    return json.dumps(
        {"schema": "2.0", "stages": {**stages, stage: {**stages[stage], **values}}}
    ).encode()


@pytest.mark.parametrize(
    ("stage", "values", "words_of"),
    [
        ("train@0", {"cmd": f"touch {MARK}"}, "the command would be"),
        ("train@0", {"outs": [{"path": f"../{MARK}"}]}, "Give a path within the repository"),
        ("train@0", {"outs": [{"path": "/etc"}]}, "Give a path within the repository"),
        ("train@0", {"outs": []}, "has no train@0 with an output"),
        ("evaluate", {"outs": [{"path": "data/prepare"}]}, "not one of its outs"),
        ("evaluate", {"deps": [{"path": "../../secret", "md5": "0" * 32}]}, "Give a path within the repository"),
        ("evaluate", {"outs": [{"path": "data/evaluate", "md5": f"../{MARK}"}]}, "md5"),
        ("evaluate", {"outs": [{"path": "data/evaluate", "remote": MARK}]}, "remote"),
    ],
)  # fmt: skip
def test_a_lock_from_the_registry_is_that_of_the_commit(
    registry: Registry, place: Path, capsys: pytest.CaptureFixture[str], stage: str, values: Any, words_of: str
) -> None:  # fmt: skip
    registry.hold(changed(registry, stage, **values), params_of(registry))
    assert words_of in told(registry, capsys)


@pytest.mark.slow
def test_params_from_the_registry_put_no_more_than_words_into_a_command(
    registry: Registry, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = params_of(registry).decode().replace("seeds: [0, 1]", f'seeds: ["0; touch {MARK}", 0]')
    registry.hold(lock_of(registry), params.encode())
    assert "params of the version: " in told(registry, capsys, "--rerun")
    registry.hold(lock_of(registry), b"train: [unclosed")
    assert "not YAML" in told(registry, capsys)


def test_params_of_an_evaluation_are_not_those_of_a_link(
    registry: Registry, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A commit whose `params.yaml` is a link would have the registry write elsewhere."""
    toy, elsewhere = registry.toy, place / "elsewhere"
    elsewhere.write_text("mine")
    toy.run("git", "checkout", "-q", "-b", "linked")
    (toy.checkout / "params.yaml").unlink()
    (toy.checkout / "params.yaml").symlink_to(elsewhere)
    toy.run("git", "commit", "-qam", "linked")
    toy.run("git", "push", "-q", "origin", "linked")
    linked = toy.run("git", "rev-parse", "HEAD").strip()
    toy.run("git", "checkout", "-q", "main")
    with registry.tag("git.sha", linked):
        assert re.search("params.yaml: .*symbolic link", told(registry, capsys))
    assert elsewhere.read_text() == "mine"
