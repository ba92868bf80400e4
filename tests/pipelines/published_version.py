"""A registered version whose checkout is gone, and what a rebuild restores of it."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .store import Store
from .test_repro import Workspace

ROOT = Path(__file__).parents[2]


MODEL = "ocrnet-demo"


SMALLER = {
    "data.source": "demo", "data.path": "data/raw/demo",  # drawn again in a clone, which holds no raw files
    "demo.train": 4, "demo.val": 2, "demo.test": 3, "demo.size": [64, 64],
    "train.steps": 3, "train.batch_size": 2, "train.val_interval": 3, "train.checkpoint_interval": 3,
    "train.warmup_steps": 1, "train_gan.steps": 2, "train_gan.val_interval": 2,
    "train_gan.checkpoint_interval": 2, "train_gan.log_interval": 2, "synthesize.count": 2,
    "evaluate.bootstrap": 100, "publish.model_name": MODEL, "publish.live": False,
}  # fmt: skip


@dataclass
class Published:
    """What is left of a repository whose challenger is version 1: no checkout.

    Args:
        folder: holds all of it.
        workspace: the checkout, once it is at its place again.
    """

    folder: Path
    workspace: Workspace | None = None

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'store.db'}"

    @property
    def origin(self) -> Path:
        return self.folder / "origin.git"

    @property
    def remote(self) -> Path:
        return self.folder / "remote"

    @property
    def store(self) -> Store:
        return Store(self.folder / "store.db")

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.store.query("SELECT key, value FROM model_version_tags WHERE version = 1"))

    @property
    def checkout(self) -> Path:
        """Where the checkout was."""
        return self.folder / "repository"

    @property
    def hidden(self) -> Path:
        """Where it is kept for a test that needs it again."""
        return self.folder / "hidden"

    def set_tag(self, name: str, value: str) -> None:
        """Change a tag of the version behind the back of MLflow."""
        with closing(sqlite3.connect(self.folder / "store.db")) as store, store:
            store.execute("UPDATE model_version_tags SET value = ? WHERE key = ?", (value, name))

    @contextmanager
    def tag(self, name: str, value: str) -> Iterator[None]:
        """Change a tag for a while."""
        before = self.tags[name]
        self.set_tag(name, value)
        yield
        self.set_tag(name, before)

    def dump(self) -> list[str]:
        """Return all that the store holds."""
        with closing(sqlite3.connect(self.folder / "store.db")) as store:
            return list(store.iterdump())


def commit_all(workspace: Workspace) -> str:
    """Commit and push everything, and return the commit."""
    workspace.run("git", "add", "-A")
    workspace.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "all")
    workspace.run("git", "push", "-q", "origin", "HEAD:main")
    return workspace.run("git", "rev-parse", "HEAD").strip()


def make_experiment(published: Published) -> None:
    """Make the experiment first, so that its artifacts lie outside the checkout, as those of a server do."""
    from mlflow import MlflowClient

    from ocrnet.config.params_file import load_params

    name = load_params(published.checkout / "params.yaml").publish.experiment
    location = (published.folder / "artifacts").as_uri()
    MlflowClient(published.uri).create_experiment(name, artifact_location=location)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def weights_in(clone: Path, tags: dict[str, str]) -> Path:
    """Return the weights of the version's stage in a clone."""
    return clone / "data" / tags["stage"].replace("@", "/") / "weights.safetensors"
