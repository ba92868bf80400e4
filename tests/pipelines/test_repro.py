"""The whole pipeline through `dvc repro` on a small set: what runs, what does not, and what a kill leaves.

No two neighbours of the set have one size, and gray and colour images are mixed, as in the sets of users.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipelines._stage.dependencies import read_node
from tests.limits import HANG_S

from .fresh_params import reset_params
from .mixed_set import SIZES, write_mixed_set

pytestmark = [pytest.mark.tools, pytest.mark.slow]

COPIED = (
    "ocrnet", "pipelines", "params", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", "data/.gitignore",
    "data/curve", "data/raw/demo", "data/train_fold/README.md",
)  # fmt: skip
TINY = {
    "data.source": "folder", "data.path": "data/raw/mixed", "data.palette": "auto", "data.crop_size": [64, 64],
    "model.mid_channels": 16, "model.key_channels": 8,
    "train.steps": 12, "train.lr": 0.002, "train.batch_size": 4, "train.val_interval": 12,
    "train.checkpoint_interval": 3, "train.log_interval": 3, "train.warmup_steps": 2,
    "train_gan.steps": 8, "train_gan.batch_size": 2, "train_gan.val_interval": 4,
    "train_gan.checkpoint_interval": 3, "train_gan.log_interval": 4, "train_gan.translate": 0.0,
    "synthesize.operations": {
        "train": 1.0, "flip": 1.0, "scale": 0.0, "copy_paste": 2.0, "warp": 0.0, "recombine": 0.0,
    },
    "synthesize.count": 6, "select.max_rejected": 1.0, "evaluate.bootstrap": 100, "publish.live": False,
}  # fmt: skip
UMASK = 0o002  # of a team whose members share a group
STAGES = [
    "validate",
    "prepare",
    "train@0",
    "train_gan",
    "synthesize",
    "select",
    "pseudo_label@0",
    "retrain@gan-0",
    "evaluate",
]


class Workspace:
    """A git and DVC repository with the project's code and small params."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in COPIED:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            if Path(name).is_dir():
                shutil.copytree(name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(name, root / name)
        write_mixed_set(root / "data/raw/mixed")
        reset_params(root / "params.yaml")
        self.set(TINY)
        venv = Path(sys.executable).parent
        self.env = {
            **os.environ, "PATH": f"{venv}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(root.parent / "site"), "MLFLOW_DISABLE_TELEMETRY": "true",
            "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(root.parent),
        }  # fmt: skip
        self.env.pop("MLFLOW_TRACKING_URI", None)
        self.told = ""
        for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
            subprocess.run(command, cwd=root, env=self.env, check=True)

    def set(self, values: dict[str, object]) -> None:
        """Write dotted keys into `params.yaml`."""
        yaml = YAML()
        document = yaml.load(self.root / "params.yaml")
        for key, value in values.items():
            section, leaf = key.split(".")
            document[section][leaf] = value
        yaml.dump(document, self.root / "params.yaml")

    def run(self, *command: str) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            command, cwd=self.root, env=self.env, capture_output=True, text=True, check=False, umask=UMASK,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        self.told = done.stderr
        return done.stdout

    def repro(self) -> str:
        """Run `dvc repro` to its end and return what it printed."""
        return self.run("dvc", "--wait-for-lock", "repro")

    def bytes_of(self, folder: str) -> dict[str, bytes]:
        """Return every file below a folder."""
        base = self.root / folder
        return {
            p.relative_to(base).as_posix(): p.read_bytes()
            for p in sorted(base.rglob("*"))
            if p.is_file()
        }


def ran(output: str) -> list[str]:
    """Return the stages that DVC ran, in order."""
    return re.findall(r"Running stage '([^']+)'", output)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("pipeline") / "repository")


def test_the_pipeline_runs_from_images_to_a_registered_model(workspace: Workspace) -> None:
    output = workspace.repro()
    assert ran(output)[-1] == "publish"
    assert sorted(ran(output)[:-1]) == sorted(STAGES)
    assert len(workspace.told.splitlines()) < 66, "the log is for a person"
    challenger = json.loads((workspace.root / "data/evaluate/challenger.json").read_text())
    assert (workspace.root / challenger["folder"] / "weights.safetensors").exists()
    assert (workspace.root / "mlflow.db").exists()


def test_images_keep_their_sizes_through_the_pipeline(workspace: Workspace) -> None:
    """Real ones and painted ones alike; the set is what the pipeline ran on, not one that was brought to one size."""
    for folder in ("prepare", "synthesize/gan", "select"):
        table = pd.read_csv(workspace.root / "data" / folder / "manifest.csv")
        sizes = set(zip(table["height"], table["width"], strict=True))
        assert sizes <= set(SIZES)
        assert len(sizes) > 1, folder
    summary = (workspace.root / "data/validate/summary.txt").read_text()
    assert "gray and colour images are mixed" in summary


def test_all_that_a_run_writes_may_be_read_by_others(workspace: Workspace) -> None:
    """A colleague of the group, a server under another user, a container."""
    folders = [workspace.root / name for name in ("data", ".state", "mlartifacts", ".dvc/cache")]
    paths = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    paths += [workspace.root / name for name in ("mlflow.db", "dvc.lock")]
    assert {".safetensors", ".json", ".csv", ".png", ".yaml"} <= {path.suffix for path in paths}
    closed = {
        path.relative_to(workspace.root).as_posix(): oct(path.stat().st_mode)
        for path in paths
        if path.stat().st_mode & 0o044 != 0o044
        or (path.is_dir() and path.stat().st_mode & 0o011 != 0o011)
    }
    assert closed == {}
    written = [path for path in (workspace.root / "data/train").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in written} == {0o664}


def test_a_second_run_recomputes_nothing(workspace: Workspace) -> None:
    assert ran(workspace.repro()) == ["publish"]


@pytest.mark.parametrize(
    ("key", "value", "changed"),
    [
        ("train.lr", 0.5, {"train@0", "retrain@gan-0"}),
        ("retrain.real_fraction", 0.25, {"retrain@gan-0"}),
        ("train_gan.preset", "small", {"train_gan", "validate"}),
        ("prepare.resize", [32, 32], {"validate", "prepare", "train@0", "retrain@gan-0"}),
        (
            "retrain.arms",
            ["gan", "copy_paste"],
            {"retrain@copy_paste-0", "pseudo_label@0", "evaluate", "validate"},
        ),
        ("train.workers", 2, set()),
        ("publish.live", True, set()),
    ],
)
def test_a_param_touches_only_what_depends_on_it(
    workspace: Workspace, key: str, value: object, changed: set[str]
) -> None:
    before = (workspace.root / "params.yaml").read_text()
    workspace.set({key: value})
    status = json.loads(workspace.run("dvc", "status", "--json"))
    (workspace.root / "params.yaml").write_text(before)
    assert set(status) - {"publish"} == changed


def test_a_new_seed_trains_its_own_cells_and_no_other(workspace: Workspace) -> None:
    workspace.run("git", "add", "-A")
    workspace.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "all")
    output = workspace.run("dvc", "exp", "run", "-S", "seeds=[0,1]")
    # The seeds are checked before DVC makes commands of them. The baselines of all seeds label together, so both cells
    # of pseudo_label run; without unlabelled images they write what they wrote before.
    first, *between, last = ran(output)
    assert (first, last) == ("validate", "publish")
    assert sorted(between) == ["evaluate", "pseudo_label@0", "pseudo_label@1", "retrain@gan-1", "train@1"]  # fmt: skip
    assert YAML(typ="safe").load(workspace.root / "params.yaml")["seeds"] == [0, 1]


def test_records_hold_only_params_that_the_stage_declares(workspace: Workspace) -> None:
    """Else an output would depend on a key whose change does not rerun the stage."""
    records = list((workspace.root / "data").rglob("record.json"))
    assert len(records) == 8
    for path in records:
        record = json.loads(path.read_text())
        declared = read_node(record["stage"].split("@")[0], workspace.root / "dvc.yaml").params
        undeclared = {
            key
            for key in record["params"]
            if not any(key == d or key.startswith(d + ".") for d in declared)
        }
        assert not undeclared, record["stage"]


def test_outputs_hold_no_time_no_host_and_no_absolute_path(workspace: Workspace) -> None:
    needle = [str(workspace.root).encode(), os.uname().nodename.encode()]
    for stage in (
        "validate",
        "prepare",
        "train",
        "train_gan",
        "synthesize",
        "select",
        "pseudo_label",
        "retrain",
        "evaluate",
    ):
        for name, content in workspace.bytes_of(f"data/{stage}").items():
            assert not [word for word in needle if len(word) > 3 and word in content], (
                f"{stage}/{name}"
            )


def test_a_killed_stage_goes_on_from_its_checkpoint_to_the_same_bits(workspace: Workspace) -> None:
    """A SIGKILL to the process group after the first checkpoint; the next repro resumes to equal files.

    Through DVC once: the tests of both trainers in the library hold the bits.
    """
    stage = "train_gan"
    before = workspace.bytes_of(f"data/{stage}")
    process = subprocess.Popen(
        ["dvc", "repro", "--force", "--single-item", stage], cwd=workspace.root, env=workspace.env,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    checkpoints = workspace.root / ".state" / "checkpoints" / stage
    deadline = time.monotonic() + HANG_S
    while not list(checkpoints.rglob("*.pt")) and time.monotonic() < deadline:
        assert process.poll() is None, "the stage ended before it could be killed"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(checkpoints.rglob("*.pt")), "no checkpoint was left"
    done = subprocess.run(
        ["dvc", "--wait-for-lock", "repro", "--force", "--single-item", stage],
        cwd=workspace.root, env=workspace.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "resuming at step" in done.stderr + done.stdout
    assert workspace.bytes_of(f"data/{stage}") == before


def test_bad_params_stop_the_first_stage_with_one_line(workspace: Workspace) -> None:
    workspace.set({"train.loss": "cee"})
    done = subprocess.run(
        ["dvc", "repro"], cwd=workspace.root, env=workspace.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    told = "train.loss: 'cee' is unknown. Did you mean 'ce'? Known: ce, ohem, "
    assert told in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    workspace.set({"train.loss": "ce"})
