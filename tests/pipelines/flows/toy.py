"""Repositories whose stages count and wait instead of computing, with a bare origin and a folder as DVC's remote."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.limits import HANG_S

ROOT = Path(__file__).parents[3]
DIARY = "TOY_DIARY"  # the folder in which a stage notes when, where and from which step it ran
HOST = "TOY_HOST"  # the name of the machine that a process pretends to be on

JOB = """
import json, os, pathlib, sys, time
out, steps, nap = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
stage = os.environ["DVC_STAGE"]
saved = pathlib.Path(".state/checkpoints") / stage / "x" / "step"

def note(what, step):
    if os.environ.get("TOY_DIARY"):
        line = {"what": what, "step": step, "host": os.environ.get("TOY_HOST", ""), "at": time.time()}
        with open(os.path.join(os.environ["TOY_DIARY"], stage), "a") as file:
            file.write(json.dumps(line) + "\\n")

def held(step):
    hold = pathlib.Path(os.environ.get("TOY_DIARY", "."), stage + ".hold")
    return hold.exists() and step >= int(hold.read_text())

first = int(saved.read_text()) if saved.exists() else 0
note("start", first)
for step in range(first + 1, steps + 1):
    time.sleep(nap)
    saved.parent.mkdir(parents=True, exist_ok=True)
    partial = saved.with_suffix(".partial")
    partial.write_text(str(step))
    partial.replace(saved)
    print(f"step {step}/{steps}", flush=True)
    while held(step):
        time.sleep(0.1)
if len(sys.argv) > 4:
    print("it ends by its own fault", flush=True)
    sys.exit(int(sys.argv[4]))
out.mkdir(parents=True, exist_ok=True)
(out / "args.txt").write_text(" ".join(sys.argv[1:]))
note("end", steps)
"""

PARAMS = """# seeds of the cells
seeds: [0, 1]
train: {steps: 2, nap: 0.1}
checkpoints: {store: ''}
"""

CELLS = """
stages:
  prepare:
    cmd: python job.py data/prepare 1 0
    meta: {pool: cpu, small: true}
    deps: [job.py]
    outs: [data/prepare]
  train:
    matrix:
      seed: ${seeds}
    cmd: python job.py data/train/${item.seed} ${train.steps} ${train.nap}
    meta: {pool: gpu}
    deps: [job.py, data/prepare]
    params: [train.steps, train.nap]
    outs: ["data/train/${item.seed}"]
  evaluate:
    cmd: python job.py data/evaluate 1 0
    desc: Judges all cells.
    meta: {pool: gpu}
    deps: [job.py, data/train]
    outs: [data/evaluate]
  publish:
    cmd: echo published
    meta: {pool: cpu, small: true}
    always_changed: true
    deps: [data/evaluate]
"""


@dataclass(frozen=True)
class Toy:
    """A checkout of a toy repository, pushed to its origin.

    Args:
        root: the folder of checkout, origin and remote.
    """

    root: Path

    @property
    def checkout(self) -> Path:
        """Where a user works."""
        return self.root / "repository"

    @property
    def origin(self) -> Path:
        """What workers clone."""
        return self.root / "origin.git"

    @property
    def remote(self) -> Path:
        """Where outputs go."""
        return self.root / "remote"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a command: those of the machine, without a person's git and DVC."""
        kept = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith(("MLFLOW_", "PREFECT_"))
        }
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.root),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{
                f"GIT_{who}_{what}": "toy"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.root / "site"),
            "DO_NOT_TRACK": "true",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def run(self, *command: str, cwd: Path | None = None, **variables: str) -> str:
        """Run a command to its good end and return what it printed."""
        done = self.attempt(*command, cwd=cwd, **variables)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def attempt(
        self, *command: str, cwd: Path | None = None, given: str = "", **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command and return how it ended."""
        return subprocess.run(
            command, cwd=cwd or self.checkout, env={**self.environment, **variables}, input=given,
            capture_output=True, text=True, timeout=HANG_S, check=False,
        )  # fmt: skip

    def publish(self, branch: str, graph: str, params: str = PARAMS) -> str:
        """Push a graph with its params as a branch of the origin and return the commit."""
        (self.checkout / "dvc.yaml").write_text(graph)
        (self.checkout / "params.yaml").write_text(params)
        self.run("git", "checkout", "-q", "-B", branch)
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "--allow-empty", "-m", branch)
        self.run("git", "push", "-q", "origin", branch)
        return self.run("git", "rev-parse", "HEAD").strip()

    def clone(self, name: str, revision: str = "main") -> Path:
        """Clone the origin as a colleague would."""
        folder = self.root / name
        self.run("git", "clone", "-q", "--branch", revision, str(self.origin), str(folder))
        return folder

    def lease(
        self, clone: Path, stage: str, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a stage in a clone as a worker does."""
        return self.attempt(
            sys.executable, "-m", "pipelines._dvc.run_one_stage", stage, cwd=clone, **variables
        )

    def advance(self, clone: Path, done: tuple[str, ...] = ()) -> dict[str, Mapping[str, Any]]:
        """Restore in a clone what can be and return the state of each stage."""
        asked = json.dumps({"targets": [], "done": done})
        command = (sys.executable, "-m", "pipelines._dvc.restore_stages")
        told = self.attempt(*command, cwd=clone, given=asked)
        lines = [json.loads(line) for line in told.stdout.splitlines()]
        return {line.get("name", "error"): line for line in lines}


def make_toy(root: Path, graph: str = CELLS, params: str = PARAMS) -> Toy:
    """Make a toy repository whose branch `main` has a graph."""
    toy = Toy(root)
    toy.checkout.mkdir(parents=True)
    for command in (("git", "init", "-q", "-b", "main"), ("dvc", "init", "-q")):
        toy.run(*command)
    toy.run("dvc", "remote", "add", "-q", "-d", "store", str(toy.remote))
    (toy.checkout / "job.py").write_text(JOB)
    (toy.checkout / ".gitignore").write_text(".state/\n")
    (toy.checkout / "data").mkdir()
    (toy.checkout / "data" / ".gitignore").write_text("*\n!.gitignore\n")
    toy.run("git", "init", "-q", "--bare", str(toy.origin))
    toy.run("git", "remote", "add", "origin", str(toy.origin))
    toy.publish("main", graph, params)
    return toy
