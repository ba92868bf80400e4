"""Fetch the files of the stages in the scratch clone, or run the stages again."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML

from ocrnet.errors import ParamsError, RebuildError
from pipelines._command.secrets import hide_secrets
from pipelines._dvc_files.lock import file_hash, folder_md5
from pipelines._dvc_files.lock_check import GRAPH_FILE, Templates
from pipelines._mlflow.find_origin import UNTRUSTED
from pipelines._mlflow.origin import EVALUATE, Origin, Provenance
from pipelines._repository.clones import LOCK_FILE, PARAMS_FILE, WRITTEN, check_params
from pipelines._untrusted import own_file, relative_path

FOREIGN = ("DVC_STAGE", "DVC_ROOT", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "PYTHONSAFEPATH")
CODE = Path(__file__).parents[2]
STDERR = 2  # DVC's messages go here while it runs; standard output is for the table


class ScratchClone:
    """A clone at the commit of a version, with the files of its provenance in place.

    Args:
        root: Folder of the clone.
        provenance: Files `dvc.lock` and `params.yaml` of the version's run.
        stage: Name of the stage that trained the version, such as `train@0`.
        changed_code: Files of the commit that differ from those that ran, from `changed_code`.
    """

    def __init__(
        self, root: Path, provenance: Provenance, stage: str, changed_code: Sequence[str]
    ) -> None:
        self.root = root
        self._entries: Mapping[str, Any] = provenance.stages
        self._stages = (stage, EVALUATE)
        if not (root / ".dvc").is_dir():
            raise RebuildError(f"{root}: the commit has no folder .dvc, so DVC cannot run there.")
        self.changed_code = changed_code
        for name in WRITTEN:
            own_file(root, name, RebuildError)
        (root / LOCK_FILE).write_bytes(provenance.lock)
        (root / PARAMS_FILE).write_bytes(provenance.params)
        try:
            check_params(root)
        except ParamsError as error:
            raise RebuildError(f"params.yaml of run {provenance.run_id}: {error}") from error

    @property
    def out(self) -> Path:
        """The folder of the trained model."""
        return self.root / str(self._entries[self._stages[0]]["outs"][0]["path"])

    @property
    def evaluated(self) -> Path:
        """The folder of the evaluation."""
        return self.root / str(self._entries[EVALUATE]["outs"][0]["path"])

    def restore(self) -> None:
        """Fetch the outputs of the training and of the evaluation.

        Raises:
            RebuildError: The remote does not have them.
        """
        self._pull(self._stages)

    def rerun(self) -> None:
        """Fetch the inputs of the training and of the evaluation, and run both; write nothing to a cache or to MLflow.

        Raises:
            RebuildError: The remote does not have an input, or a stage failed.
        """
        self._check_commands()
        known = set(self._dvc("stage", "list", "--name-only", "--all").stdout.split())
        self._pull(sorted(known & needed_stages(self._entries, self._stages)))
        self._stop_following()
        code = subprocess.run(
            self._command("--wait-for-lock", "repro", "--force", "--single-item", "--no-commit", *self._stages),
            cwd=self.root, env=self._environment(), stdout=STDERR, stdin=subprocess.DEVNULL, check=False,
        ).returncode  # fmt: skip
        if code != 0:
            raise RebuildError(
                f"{' '.join(self._stages)}: `dvc repro` ended with {code}; the lines above say why."
            )

    def _check_commands(self) -> None:
        """Check the commands that result from the params, before DVC passes one to a shell."""
        paths = [str(CODE), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pipelines._dvc.graph"], cwd=self.root,
            env=self._environment() | {"PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            reason = (done.stderr.strip() or "no message").splitlines()[-1]
            raise RebuildError(f"params of the version: {hide_secrets(reason)}")

    def _pull(self, stages: Sequence[str]) -> None:
        # Without a remote, only the shared cache can have the files.
        remotes = self._dvc("remote", "list").stdout.split()
        done = self._dvc("pull" if remotes else "checkout", *stages)
        if done.returncode != 0:
            raise RebuildError(_missing(done, has_remote=bool(remotes)))

    def _stop_following(self) -> None:
        """Turn `publish.live` off: it would start a run in MLflow and has no effect on the results."""
        path, yaml = self.root / "params.yaml", YAML()
        document = yaml.load(path)
        if isinstance(document.get("publish"), dict) and "live" in document["publish"]:
            document["publish"]["live"] = False
            yaml.dump(document, path)

    def _dvc(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self._command(*arguments), cwd=self.root, env=self._environment(),
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "dvc", *arguments]

    def _environment(self) -> dict[str, str]:
        """Return the environment of a command: without a tracking server, and with this interpreter as `python`."""
        kept = {
            name: text
            for name, text in os.environ.items()
            if name not in FOREIGN and not name.startswith(("MLFLOW_", "PREFECT_"))
        }
        kept.setdefault("DVC_SITE_CACHE_DIR", str(self.root.resolve() / ".dvc" / "tmp" / "site"))
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
            "DVC_NO_ANALYTICS": "1",
            "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
        }


def check_stages(root: Path, origin: Origin, stages: Sequence[str]) -> list[str]:
    """Compare stages in `dvc.lock` with `dvc.yaml` of the commit, and return the dependencies that `dvc.yaml` lacks.

    Raises:
        RebuildError: `dvc.yaml` does not have the stage, or has another command or output for it.
    """
    templates = Templates.read(own_file(root, GRAPH_FILE, RebuildError), RebuildError)
    missing: list[str] = []
    for name in stages:
        entry = origin.provenance.stages[name]
        try:
            templates.check_outs(name, [out["path"] for out in entry["outs"]], RebuildError)
            if not origin.is_dirty:
                templates.check_command(name, entry["cmd"], RebuildError)
        except RebuildError as error:
            raise RebuildError(
                f"dvc.lock of run {origin.provenance.run_id}: {error} {UNTRUSTED}"
            ) from error
        place = f"dvc.lock of run {origin.provenance.run_id}: {name}: deps"
        deps = [relative_path(dep["path"], place, RebuildError) for dep in entry.get("deps", [])]
        missing += templates.foreign_deps(name, deps, RebuildError)
    return missing


def changed_code(root: Path, entries: Mapping[str, Any], stages: Iterable[str]) -> list[str]:
    """Return the dependencies of stages that no stage writes and whose content differs from that in `dvc.lock`.

    Args:
        root: Folder of a clone in which nothing has run and nothing was fetched yet.
        entries: Stages of `dvc.lock`, by name.
        stages: Names of the stages to check.
    """
    wanted = {
        dep["path"]: dep.get("md5") for name in stages for dep in entries[name].get("deps", [])
    }
    return sorted(
        path
        for path, md5 in wanted.items()
        if not _is_output(path, entries) and _md5(root / path) != md5
    )


def needed_stages(entries: Mapping[str, Any], stages: Sequence[str]) -> set[str]:
    """Return the stages whose outputs the given stages read, without the given ones."""
    read = {dep["path"] for name in stages for dep in entries[name].get("deps", [])}
    return {
        name
        for name, entry in entries.items()
        if name not in stages
        and any(_touch(out["path"], path) for out in entry.get("outs", []) for path in read)
    }


def _is_output(path: str, entries: Mapping[str, Any]) -> bool:
    outs = (out["path"] for entry in entries.values() for out in entry.get("outs", []))
    return any(_touch(path, out) for out in outs)


def _touch(left: str, right: str) -> bool:
    """Tell whether two paths are equal or one is below the other.

    Examples:
        >>> _touch("data/train", "data/train/0"), _touch("data/train", "data/train_gan")
        (True, False)
    """
    first, second = PurePosixPath(left), PurePosixPath(right)
    return first.is_relative_to(second) or second.is_relative_to(first)


def _md5(path: Path) -> str | None:
    if path.is_dir():
        return folder_md5(path)
    return file_hash(path, "md5") if path.is_file() else None


def _missing(done: "subprocess.CompletedProcess[str]", *, has_remote: bool) -> str:
    """Return one line that says what DVC could not fetch."""
    place = "the remote" if has_remote else "no remote is set, and the cache"
    found = re.search(r"failed for following targets:\n(.*?)\nIs your cache", done.stderr, re.S)
    if found:
        names = ", ".join(found[1].split())
        return f"{names}: {place} does not have it. Run `dvc push` where the version was made."
    errors = (
        re.findall(r"^ERROR: (.*)$", done.stderr, re.M) or done.stderr.strip().splitlines()[-1:]
    )
    return f"dvc: {hide_secrets(' '.join(errors))[:400] or f'ended with {done.returncode}'}"
