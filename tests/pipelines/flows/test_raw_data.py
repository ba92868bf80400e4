"""Raw data that `dvc add` tracks: the commit names them, git holds none of them, and a worker's clone gets them."""

import shutil
from pathlib import Path

import pytest

from .toy import ROOT, make_toy

pytestmark = pytest.mark.tools

IMAGE = Path("data/raw/mine/images/a.png")
GRAPH = """
stages:
  prepare:
    cmd: python job.py data/prepare 1 0
    meta: {pool: cpu, small: true}
    deps: [job.py, data/raw/mine]
    outs: [data/prepare]
"""


def test_a_set_of_ones_own_is_added_committed_and_brought_to_a_clone(tmp_path: Path) -> None:
    """DVC looks for `.dvc` files in no folder that git ignores, so this rests on the ignore files."""
    toy = make_toy(tmp_path)
    for name in (".gitignore", ".dvcignore", "data/.gitignore"):
        shutil.copy(ROOT / name, toy.checkout / name)
    (toy.checkout / IMAGE).parent.mkdir(parents=True)
    (toy.checkout / IMAGE).write_bytes(b"pixels")
    toy.run("dvc", "add", "-q", "data/raw/mine")
    toy.run("dvc", "push", "-q")
    toy.publish("main", GRAPH)
    tracked = toy.run("git", "ls-files", "data").split()
    assert tracked == ["data/.gitignore", "data/raw/mine.dvc"]

    clone = toy.clone("worker")
    states = {name: line["state"] for name, line in toy.advance(clone).items()}
    assert states == {"data/raw/mine.dvc": "restored", "prepare": "ready"}
    assert (clone / IMAGE).read_bytes() == b"pixels"
    assert toy.lease(clone, "prepare").returncode == 0
    assert toy.run("dvc", "status", cwd=clone).strip() == "Data and pipelines are up to date."
