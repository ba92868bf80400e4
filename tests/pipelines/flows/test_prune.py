"""What a pruned run cache still gives: entries in use stay, and DVC runs a stage whose entries are gone."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..remotes import Remote, run_s3, run_ssh
from .toy import CELLS, Toy, make_toy

pytestmark = pytest.mark.tools
DAY_S = 86400
STRAY = Path("runs/ff") / ("f" * 64) / ("e" * 64)  # an entry of a run with other params
LOOK = """
import json
from pipelines._dvc.process import open_repo
with open_repo() as repo:
    odb = repo.cloud.get_remote_odb(None, "gc", hash_name="md5-dos2unix")
    runs = odb.path + "/runs"
    listed = odb.fs.fs.find(runs, withdirs=True) if odb.fs.exists(runs) else []
    print(json.dumps([path.rstrip("/").partition("/runs/")[2] for path in listed]))
"""
# Prunes what was used a day ahead of now, or before: all that is not used by this very run.
PRUNE_ALL = (
    "from pipelines._dvc import prune, run_one_stage; "
    "prune.prune.__kwdefaults__['days'] = -1; run_one_stage.main()"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A toy all of whose stages one clone ran, with a copy of the remote as it was then."""
    toy = make_toy(tmp_path_factory.mktemp("toy"))
    clone = toy.clone("first")
    for stage in ("prepare", "train@0", "train@1", "evaluate"):
        done = toy.lease(clone, stage)
        assert done.returncode == 0, done.stderr
    shutil.copytree(toy.remote, toy.root / "kept")
    return toy


@pytest.fixture
def toy(made: Toy) -> Toy:
    """The toy with its remote as at first."""
    shutil.rmtree(made.remote)
    shutil.copytree(made.root / "kept", made.remote)
    return made


def caches(toy: Toy, clone: Path) -> tuple[Path, Path]:
    """Return the folders of the cache of a clone and of the remote."""
    return clone / ".dvc" / "cache", toy.remote


def entries(cache: Path) -> set[Path]:
    """Return the entries of the run cache in a folder."""
    return {path.relative_to(cache) for path in cache.glob("runs/*/*/*")}


def age(cache: Path, days: float) -> None:
    """Let all entries be last used so many days ago."""
    for path in cache.glob("runs/*/*/*"):
        os.utime(path, (time.time() - days * DAY_S,) * 2)


def prune(toy: Toy, clone: Path, **variables: str) -> str:
    """Prune as a run of the pipeline does at its end, and return what it told."""
    done = toy.lease(clone, "--prune", **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_run_keeps_what_it_used_however_old_that_is(toy: Toy) -> None:
    clone = toy.clone("nightly")
    for cache in caches(toy, clone):
        (cache / STRAY).parent.mkdir(parents=True)
        (cache / STRAY).write_text("schema: '2.0'")
    for cache in caches(toy, clone):
        age(cache, 181)
    states = {name: line["state"] for name, line in toy.advance(clone).items()}
    assert [name for name, state in states.items() if state == "restored"] == [
        "prepare", "train@0", "train@1", "evaluate",
    ]  # fmt: skip
    for cache in caches(toy, clone):
        written = {path: (cache / path).stat().st_mtime for path in entries(cache) - {STRAY}}
        assert len(written) == 4
        assert min(written.values()) > time.time() - DAY_S, "what is restored is used, hence new"
    for cache in caches(toy, clone):
        age(cache, 181)
    assert prune(toy, clone) == "pruned 2 old entries of the run cache"
    for cache in caches(toy, clone):
        assert len(entries(cache)) == 4
        assert STRAY not in entries(cache)


def test_a_stage_whose_entry_was_pruned_runs_again(toy: Toy) -> None:
    clone = toy.clone("later")
    toy.advance(clone)
    cache, remote = caches(toy, clone)
    (clone / "dvc.lock").unlink()  # no run in force: every entry is one of other params
    for folder in (cache, remote):
        age(folder, 181)
    assert prune(toy, clone) == "pruned 8 old entries of the run cache"
    shutil.rmtree(clone / "data/prepare")
    assert "Running stage 'prepare'" in toy.run("dvc", "repro", "prepare", cwd=clone)


def test_a_cache_with_emptied_keys_is_healed(toy: Toy) -> None:
    """As an earlier version left it: DVC itself ends with a TypeError of `join`."""
    clone = toy.clone("broken")
    toy.advance(clone)
    for cache in caches(toy, clone):
        for path in cache.glob("runs/*/*/*"):
            path.unlink()
    shutil.rmtree(clone / "data/prepare")
    (clone / "dvc.lock").unlink()
    assert toy.advance(clone)["prepare"]["state"] == "ready"
    time.sleep(1)
    prune(toy, clone)
    for cache in caches(toy, clone):
        assert not list(cache.glob("runs/*/*"))
    toy.run("dvc", "repro", "prepare", cwd=clone)


def test_a_clock_that_is_ahead_deletes_nothing(toy: Toy, tmp_path: Path) -> None:
    clone = toy.clone("ahead")
    toy.advance(clone)
    (clone / "dvc.lock").unlink()
    before = [entries(cache) for cache in caches(toy, clone)]
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock/sitecustomize.py").write_text(
        "import time\nnow = time.time\ntime.time = lambda: now() + 200 * 86400\n"
    )
    path = f"{tmp_path / 'clock'}{os.pathsep}{toy.environment['PYTHONPATH']}"
    assert prune(toy, clone, PYTHONPATH=path) == "pruned 0 old entries of the run cache"
    assert [entries(cache) for cache in caches(toy, clone)] == before


def test_an_unfinished_file_is_no_entry(toy: Toy) -> None:
    clone = toy.clone("partial")
    for place in toy.remote.glob("runs/*/*"):
        (place / f"{'a' * 64}.partial").write_text("schema: '2")
    assert toy.advance(clone)["evaluate"]["state"] == "restored"
    assert not list(clone.glob(".dvc/cache/runs/*/*/*.partial"))


@pytest.fixture(params=["s3", "ssh"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Remote]:
    """A remote that is no folder of this machine."""
    runs = {"s3": run_s3, "ssh": run_ssh}
    with runs[request.param](tmp_path) as remote:
        yield remote


def test_a_remote_on_a_server_is_pruned_by_its_own_clock(tmp_path: Path, server: Remote) -> None:
    toy = make_toy(tmp_path / "toy")
    for name, text in {"url": server.url, **server.settings}.items():
        toy.run("dvc", "remote", "modify", "-q", "store", name, text)
    toy.publish("main", CELLS)
    first = toy.clone("first")
    assert toy.lease(first, "prepare", **server.env).returncode == 0
    assert prune(toy, first, **server.env) == "pruned 0 old entries of the run cache"
    assert len(keys(toy, first, server)) == 1
    other = toy.clone("other")
    for clone, told in ((first, 0), (other, 1)):
        done = toy.attempt(sys.executable, "-c", PRUNE_ALL, "--prune", cwd=clone, **server.env)
        assert f"pruned {told} old entries" in done.stdout, done.stderr
        assert len(keys(toy, clone, server)) == 1 - told
    done = toy.attempt("dvc", "repro", "--pull", "prepare", cwd=toy.clone("second"), **server.env)
    assert "Running stage 'prepare'" in done.stdout, done.stderr


def keys(toy: Toy, clone: Path, remote: Remote) -> list[str]:
    """Return the folders of keys in a remote, empty ones too."""
    told = toy.run(sys.executable, "-c", LOOK, cwd=clone, **remote.env)
    return sorted({"/".join(path.split("/")[:2]) for path in json.loads(told) if "/" in path})
