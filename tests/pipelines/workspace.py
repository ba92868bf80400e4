"""A repository with finished stages, as DVC leaves them, for the tests of what MLflow is sent."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrnet.record import Recorder, write_record
from tests.base_params import write_params
from tests.limits import HANG_S

ROOT = Path(__file__).parents[2]
PARAMS: dict[str, dict[str, Any]] = {
    "data": {"source": "demo", "path": "data/raw/demo", "classes": ["plate", "crack"]},
    "publish": {"experiment": "toy", "model_name": "toy-segmenter", "live": True},
}


@dataclass
class Workspace:
    """A git repository that holds `params.yaml`, `dvc.lock` and stages.

    Args:
        folder: the repository root.
        uri: where its runs go.
    """

    folder: Path
    uri: str

    def __post_init__(self) -> None:
        write_params(self.folder / "params.yaml", PARAMS)
        if not (self.folder / ".git").exists():
            author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
            for command in (
                ("init", "--quiet"),
                (*author, "commit", "-q", "--allow-empty", "-m", "empty"),
            ):
                subprocess.run(["git", *command], cwd=self.folder, check=True)
        self.stages: dict[str, dict[str, Any]] = {}
        self.write_lock()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command in this repository."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("MLFLOW_")}
        return {
            **kept,
            "MLFLOW_TRACKING_URI": self.uri,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }

    def out(self, stage: str) -> Path:
        """Return the folder of a stage."""
        return self.folder / "data" / stage.replace("@", "/")

    def finish_stage(
        self,
        stage: str,
        lines: Sequence[tuple[int, Mapping[str, float]]] = (),
        *,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, Any] | None = None,
        fingerprint: str = "f0",
        files: Mapping[str, str] | None = None,
    ) -> None:
        """Write what a stage leaves, and its entry in `dvc.lock`."""
        out = self.out(stage)
        write_record(out, stage=stage, fingerprint=fingerprint, params=params or {"train.lr": 0.01})
        recorder = Recorder(out, times=self.times(stage))
        for step, values in lines:
            recorder.log(step, values)
        recorder.finish(metrics or {})
        for name, text in (files or {}).items():
            (out / name).write_text(text)
        self.lock_stage(stage)

    def times(self, stage: str) -> Path:
        """Return the side file of a stage."""
        return self.folder / ".state" / "times" / f"{stage}.txt"

    def lock_stage(self, stage: str) -> None:
        """Write the entry that DVC writes once a stage has run."""
        out = self.out(stage)
        self.stages[stage] = {
            "cmd": f"python -m pipelines.{stage.replace('@', ' ')}",
            "deps": [{"path": "data/raw", "hash": "md5", "md5": "d" * 32 + ".dir", "size": 1}],
            "params": {"params.yaml": {"train.lr": 0.01}},
            "outs": [
                {
                    "path": out.relative_to(self.folder).as_posix(),
                    "hash": "md5",
                    "md5": dvc_md5(out),
                    "size": 1,
                    "nfiles": 1,
                }
            ],
        }
        self.write_lock()

    def write_lock(self) -> None:
        """Write `dvc.lock`; JSON is YAML."""
        text = json.dumps({"schema": "2.0", "stages": self.stages}, indent=1)
        (self.folder / "dvc.lock").write_text(text)

    def publish(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m pipelines.publish`, which must end well."""
        return self.run("-m", "pipelines.publish", **variables)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a Python command here."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done


def dvc_md5(folder: Path) -> str:
    """Return DVC's hash of a folder of files: that of the list of their hashes, sorted by path."""
    listed = [
        f'{{"md5": "{hashlib.md5(path.read_bytes()).hexdigest()}", '
        f'"relpath": "{path.relative_to(folder).as_posix()}"}}'
        for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix())
        if path.is_file()
    ]
    return hashlib.md5(f"[{', '.join(listed)}]".encode()).hexdigest() + ".dir"
