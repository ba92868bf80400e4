"""A checkout with the present code and small params, in which a study runs as a user starts it."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pipelines._edit_params import write_values
from tests.pipelines.fresh_params import reset_params

ROOT = Path(__file__).parents[2]
COPIED = (
    "ocrnet", "pipelines", "benchmarks", "params", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore",
    "data/.gitignore", "data/curve", "data/raw/demo", "data/train_fold/README.md",
)  # fmt: skip
SMALL = {
    "demo.train": 8, "demo.val": 4, "demo.test": 8, "demo.size": [64, 64], "data.crop_size": [64, 64],
    "model.arch": "ocrnet", "model.backbone": "resnet18", "model.pretrained": False, "model.mid_channels": 16,
    "model.key_channels": 8,
    "train.steps": 4, "train.batch_size": 4, "train.val_interval": 2, "train.checkpoint_interval": 1,
    "train.warmup_steps": 2, "train_gan.steps": 3, "train_gan.batch_size": 2, "train_gan.val_interval": 2,
    "train_gan.crop_size": [32, 32], "synthesize.count": 4, "select.max_rejected": 1.0,
    "select.extractor": "random-conv", "select.near_duplicate": 0.0, "evaluate.bootstrap": 100,
}  # fmt: skip


@dataclass(frozen=True)
class Checkout:
    """A git and DVC repository with the project's code.

    Args:
        folder: Root folder of the repository.
    """

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command here."""
        return {
            **os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(self.folder.parent / "site"),
            "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(self.folder.parent), "OMP_NUM_THREADS": "1",
        }  # fmt: skip

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a Python command."""
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=self.folder, env=self.environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a Python command to its end and return what it prints."""
        process = self.start(*arguments)
        told = process.communicate()[0]
        assert process.returncode == code, told[-4000:]
        return told


def make_checkout(folder: Path) -> Checkout:
    """Make a checkout and commit everything."""
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if Path(ROOT, name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
        else:
            shutil.copy(ROOT / name, folder / name)
    write_values(reset_params(folder / "params.yaml"), SMALL, place="test")
    checkout = Checkout(folder)
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for command in (
        ["git", "init", "-q"],
        [sys.executable, "-m", "dvc", "init", "-q"],
        ["git", "add", "--all"],
        ["git", *author, "commit", "-q", "-m", "all"],
    ):
        subprocess.run(command, cwd=folder, env=checkout.environment, check=True)
    return checkout


def started(told: str) -> list[str]:
    """Return the stages whose commands ran, in order."""
    return re.findall(r"stage \d+ of \d+: (\S+)", told)
