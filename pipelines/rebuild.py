"""Rebuild a registered version and compare it with its recorded scores: `python -m pipelines.rebuild 3`.

The command clones the repository at the version's commit into a scratch folder, adds the `dvc.lock` and `params.yaml`
of its run, fetches its files, and compares weights and scores with the recorded ones. With `--rerun` it trains and
evaluates again instead of fetching the files. It changes neither the version and its aliases, nor MLflow, the present
checkout and its caches.

Exit codes: 0: everything is equal; 5: something differs; 2 or 3: the comparison was not possible.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ocrnet.errors import DataError, ParamsError, RebuildError
from pipelines._command.arguments import Parser, path_argument
from pipelines._command.exit_codes import command
from pipelines._dvc_files.lock import load_plain_yaml
from pipelines._mlflow.address import find_address
from pipelines._mlflow.find_origin import read_origin
from pipelines._mlflow.origin import EVALUATE, Origin
from pipelines._rebuild.clone import check_out, clone, find_repository, has_commit
from pipelines._rebuild.comparison import compare, to_text
from pipelines._rebuild.config import carry_over, find_checkout
from pipelines._rebuild.stages import ScratchClone, changed_code, check_stages
from pipelines._stage.commit import NO_COMMIT, REFUSAL_TAG
from pipelines._untrusted import registry_name, version_or_alias

DIFFERENT = 5
GPU_TOLERANCE = 0.01  # CUDA sums in no fixed order, so a repeated training is not equal to the bit


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = Parser(
        prog="python -m pipelines.rebuild",
        description="Rebuild a registered version and compare it with its recorded scores.",
    )
    found.add_argument(
        "version", metavar="VERSION", help="Number of the version, or an alias such as champion"
    )
    found.add_argument(
        "--model",
        metavar="NAME",
        help="Name of the registered model (default: publish.model_name of params.yaml)",
    )
    found.add_argument(
        "--rerun",
        action="store_true",
        help="Train and evaluate again instead of restoring the files",
    )
    found.add_argument(
        "--anyway",
        action="store_true",
        help="Rerun although the code of the commit is not the code that ran",
    )
    found.add_argument(
        "--into",
        type=path_argument,
        metavar="DIR",
        help="Empty folder for the rebuilt files, which are then kept",
    )
    found.add_argument(
        "--repository",
        metavar="URL",
        help="Repository with the commit (default: the origin of this checkout)",
    )
    found.add_argument(
        "--tolerance", type=float, metavar="T",
        help=f"Largest difference between equal scores (default: 0; with --rerun on CUDA {GPU_TOLERANCE})",
    )  # fmt: skip
    return found


def rebuild(argv: Sequence[str]) -> tuple[str, bool]:
    """Run the command and return what it prints, and whether everything is equal.

    Raises:
        ParamsError: An argument is wrong.
        RebuildError: A part of the version is missing or was changed.
    """
    given = parser().parse_args(argv)
    tolerance = _tolerance(given.tolerance, rerun=given.rerun)
    repository = given.repository or find_repository(Path())
    version = version_or_alias(given.version, "VERSION")
    model = registry_name(given.model or _default_model(), "--model")
    origin = read_origin(find_address(), model, version)
    notes = list(origin.notes)
    with _scratch(given.into) as root:
        found, changed = check_out_version(origin, root, repository)
        notes += found
        scratch = ScratchClone(root, origin.provenance, origin.stage, changed)
        checkout = find_checkout(".", repository)
        if checkout is not None:
            carry_over(checkout, root)
        if given.rerun:
            if not given.anyway:
                _refuse_other_code(origin, scratch.changed_code)
            scratch.rerun()
        else:
            scratch.restore()
        rows = compare(origin, scratch, tolerance=tolerance)
    is_equal = all(row.is_equal for row in rows if row.decides)
    return _describe(origin, to_text(rows), notes, given, is_equal=is_equal), is_equal


def check_out_version(origin: Origin, root: Path, repository: str) -> tuple[list[str], list[str]]:
    """Check out the commit at which both stages are as in `dvc.lock`.

    A later evaluation of the same weights may have run at a later commit. The code of the training is the same there:
    otherwise DVC would have trained again.

    Returns:
        Notes for the user, and the files that differ from those that ran.
    """
    sha = origin.tags["git.sha"]
    if sha == NO_COMMIT:
        reason = origin.tags.get(REFUSAL_TAG, "the version does not record why")
        raise RebuildError(
            f"{origin.model} version {origin.version}: git found no commit when it was made: {reason}. So the code "
            "that made it is unknown. Make git work in that repository, and publish the version again."
        )
    clone(repository, root)
    entries, stages = origin.provenance.stages, (origin.stage, EVALUATE)
    check_out(root, sha, repository)
    later = origin.evaluated.get("git.sha", sha)
    if later == sha or not has_commit(root, later, repository):
        changed = check_stages(root, origin, stages)
        return [], sorted({*changed, *changed_code(root, entries, stages)})
    changed = changed_code(root, entries, (origin.stage,))
    check_out(root, later, repository)
    changed += check_stages(root, origin, stages)
    changed += changed_code(root, entries, stages)
    return [f"the evaluation ran at commit {later}, the training at {sha}"], sorted({*changed})


def _refuse_other_code(origin: Origin, changed: Sequence[str]) -> None:
    """Refuse a rerun if the code of the commit may not be the code that ran."""
    if not origin.is_dirty and not changed:
        return
    sha = origin.tags["git.sha"]
    files = ", ".join(changed) or "none of those that the two stages read"
    made = "was made from uncommitted changes of" if origin.is_dirty else "did not run the code of"
    raise RebuildError(
        f"{origin.model} version {origin.version}: {made} commit {sha}; files that differ: {files}. "
        "Restore it without --rerun, or run the code of the commit with --anyway."
    )


def _describe(
    origin: Origin, table: str, notes: Sequence[str], given: argparse.Namespace, *, is_equal: bool
) -> str:
    how = "trained and evaluated again" if given.rerun else "restored"
    name = f"{origin.model} version {origin.version}"
    lines = [f"{name}: {origin.stage} at {origin.tags['git.sha'][:12]}, {how}"]
    if origin.is_dirty:
        notes = [*notes, "made from uncommitted changes: the commit does not hold all of its code"]
    if given.into is not None:
        notes = [*notes, f"the rebuilt files are in {given.into}"]
    verdict = "The rebuilt model is equal." if is_equal else "The rebuilt model is DIFFERENT."
    return "\n".join([*lines, "", table, "", *(f"Note: {note}." for note in notes), verdict])


def _tolerance(given: float | None, *, rerun: bool) -> float:
    if given is None:
        return GPU_TOLERANCE if rerun and _has_cuda() else 0.0
    if not 0 <= given < 1:
        raise ParamsError(f"--tolerance: found {given}. Give 0 or more, below 1.")
    return given


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _default_model() -> str:
    path = Path("params.yaml")
    try:
        return str(load_plain_yaml(path.read_bytes(), path)["publish"]["model_name"])
    except (OSError, DataError, KeyError, TypeError):
        raise ParamsError(
            "--model: not given, and this folder has no params.yaml that names a model. Give --model NAME."
        ) from None


@contextmanager
def _scratch(into: Path | None) -> Iterator[Path]:
    """Yield a folder for the clone: that of the user, which is kept, or one that is removed at the end."""
    if into is None:
        with TemporaryDirectory(prefix="rebuild-") as folder:
            yield Path(folder, "repository")
        return
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise ParamsError(f"--into: {into} is not an empty folder. Give an empty or a new folder.")
    yield into


@command("rebuild")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    text, is_equal = rebuild(argv)
    print(text)
    return 0 if is_equal else DIFFERENT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
