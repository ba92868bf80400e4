"""Outputs go from clone to clone by the run cache, one stage at a time, with the real DVC and no server."""

import json
import re
import sys
from pathlib import Path

import pytest

from .toy import DIARY, Toy, make_toy

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A toy whose prepare, and the first cell, ran in one clone."""
    made = make_toy(tmp_path_factory.mktemp("toy"))
    clone = made.clone("first")
    for stage in ("prepare", "train@0"):
        done = made.lease(clone, stage)
        assert done.returncode == 0, done.stderr
    return made


def entries(cache: Path) -> set[str]:
    """Return the keys of the run cache in a cache or a remote."""
    return {path.parent.name for path in cache.glob("runs/*/*/*")}


def test_the_graph_has_the_cells_of_a_matrix(toy: Toy) -> None:
    lines = toy.run(sys.executable, "-m", "pipelines._dvc.graph").splitlines()
    nodes = {node["name"]: node for node in map(json.loads, lines)}
    assert next(iter(nodes)) == "prepare"
    assert list(nodes)[-1] == "publish"
    assert nodes["evaluate"]["upstream"] == ["train@0", "train@1"]
    assert {name: node["pool"] for name, node in nodes.items()} == {
        "prepare": "cpu", "train@0": "gpu", "train@1": "gpu", "evaluate": "gpu", "publish": "cpu",
    }  # fmt: skip
    assert [name for name, node in nodes.items() if node["small"]] == ["prepare", "publish"]
    assert [name for name, node in nodes.items() if node["always"]] == ["publish"]
    assert nodes["train@1"]["command"] == "python job.py data/train/1 2 0.1"
    assert nodes["evaluate"]["desc"] == "Judges all cells."


def test_what_one_clone_ran_another_restores(toy: Toy) -> None:
    clone = toy.clone("second")
    states = {name: line["state"] for name, line in toy.advance(clone).items()}
    assert states == {
        "prepare": "restored", "train@0": "restored", "train@1": "ready", "evaluate": "waits", "publish": "waits",
    }  # fmt: skip
    assert (clone / "data/train/0/args.txt").read_text() == "data/train/0 2 0.1"
    assert not (clone / "data/train/1").exists(), "advance runs no command"


def test_a_worker_fetches_and_sends_the_entries_of_its_own_stage_alone(toy: Toy) -> None:
    """DVC itself copies every entry that there ever was with each pull and push."""
    clone = toy.clone("third")
    toy.advance(clone)
    (clone / "dvc.lock").rename(clone / "kept")
    before = entries(toy.remote)
    for number in range(30):
        place = toy.remote / "runs" / "ff" / f"ff{number:062x}"
        place.mkdir(parents=True)
        (place / ("e" * 64)).write_text("schema: '2.0'")
    fresh = toy.clone("fourth")
    (fresh / "dvc.lock").write_text((clone / "kept").read_text())
    assert toy.lease(fresh, "train@1").returncode == 0
    own = entries(fresh / ".dvc" / "cache")
    assert len(own) == 1
    assert entries(toy.remote) - before - {f"ff{number:062x}" for number in range(30)} == own


def test_a_stage_that_another_one_ran_meanwhile_is_not_run_again(toy: Toy, tmp_path: Path) -> None:
    clone = toy.clone("fifth")
    toy.advance(clone)
    assert toy.lease(clone, "train@0", **{DIARY: str(tmp_path)}).returncode == 0
    assert not list(tmp_path.iterdir())


def test_the_guard_runs_only_the_leased_stage(toy: Toy, tmp_path: Path) -> None:
    clone = toy.clone("sixth")
    toy.advance(clone)
    script = (
        "import os, subprocess, sys; from pathlib import Path; from pipelines._dvc.stage_shell import lease_to;"
        "lease_to('train@1', Path('.'));"
        "sys.exit(subprocess.call(['dvc', 'repro', '--force', '-s', sys.argv[1]]))"
    )
    variables = {DIARY: str(tmp_path), "OMP_NUM_THREADS": "1"}
    toy.run(sys.executable, "-c", script, "train@1", cwd=clone, **variables)
    refused = toy.attempt(sys.executable, "-c", script, "prepare", cwd=clone, **variables)
    assert refused.returncode != 0
    assert "refusing to run prepare: this worker is leased for train@1" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["train@1"]


def test_a_worker_never_makes_what_its_stage_reads(toy: Toy, tmp_path: Path) -> None:
    clone = toy.clone("seventh")
    done = toy.lease(clone, "evaluate", **{DIARY: str(tmp_path)})
    assert done.returncode == 70, "the machine's fault, so that another one may try"
    assert re.match("evaluate: train@0, train@1: .*cache .*remote", done.stderr.splitlines()[-1])
    assert not list(tmp_path.iterdir())


def test_cells_of_another_run_are_removed_before_a_stage_reads_the_folder(toy: Toy) -> None:
    clone = toy.clone("eighth")
    toy.advance(clone)
    assert toy.lease(clone, "train@1").returncode == 0
    stray = clone / "data/train/7"
    stray.mkdir()
    (stray / "args.txt").write_text("of a run with another seed")
    (clone / "data/train/note.txt").write_text("a file")
    kept = clone / "data/train/.gitignore"
    there = kept.exists()
    assert toy.lease(clone, "evaluate").returncode == 0
    assert sorted(path.name for path in (clone / "data/train").iterdir() if path != kept) == [
        "0",
        "1",
    ]
    assert kept.exists() == there
    plain = toy.clone("plain")
    toy.run("dvc", "repro", "evaluate", cwd=plain)
    assert (plain / "dvc.lock").read_bytes() == (clone / "dvc.lock").read_bytes()
