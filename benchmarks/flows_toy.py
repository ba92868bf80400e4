"""A repository whose stages sleep: what is measured is what runs them."""

import os
import subprocess
import sys
from pathlib import Path

NAP = """\
import pathlib, sys, time
time.sleep(float(sys.argv[2]))
out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
(out / "slept.txt").write_text(" ".join(sys.argv[1:]))
"""
PARAMS = "seeds: {seeds}\nnap: {nap}\n"
GRAPH = """\
stages:
  prepare:
    cmd: python nap.py data/prepare 0
    meta: {pool: cpu, small: true}
    deps: [nap.py]
    outs: [data/prepare]
  nap:
    matrix:
      seed: ${seeds}
    cmd: python nap.py data/nap/${item.seed} ${nap}
    meta: {pool: gpu}
    deps: [nap.py, data/prepare]
    params: [nap]
    outs:
      - data/nap/${item.seed}
  evaluate:
    cmd: python nap.py data/evaluate 0
    meta: {pool: gpu}
    deps: [nap.py, data/nap]
    outs: [data/evaluate]
  publish:
    cmd: echo published
    meta: {pool: cpu, small: true}
    always_changed: true
    deps: [data/evaluate]
"""


def make_toy(folder: Path, *, cells: int, nap: float) -> Path:
    """Make the repository, with as many cells of a stage that sleeps so long, and return its folder."""
    (folder / "data").mkdir(parents=True)
    files = {
        "nap.py": NAP,
        "dvc.yaml": GRAPH,
        "params.yaml": PARAMS.format(seeds=list(range(cells)), nap=nap),
        "data/.gitignore": "*\n!.gitignore\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    names = [f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")]
    environment = {**os.environ, **dict.fromkeys(names, "toy@localhost")}
    for command in (
        ["git", "init", "--quiet", "--initial-branch=main"],
        [sys.executable, "-m", "dvc", "init", "--quiet"],
        ["git", "add", "--all"],
        ["git", "commit", "--quiet", "--message=Stages that sleep"],
    ):
        subprocess.run(command, cwd=folder, check=True, env=environment)
    return folder
