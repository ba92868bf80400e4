"""Delete from DVC's cache what neither this checkout, its branches and tags, nor a registered version needs.

`python -m pipelines.gc` makes a tag of git for each registered version, which holds the version's `dvc.lock`, and then
runs `dvc gc --workspace --all-branches --all-tags`. `dvc gc --workspace` alone deletes what `rebuild` and `promote`
need.
"""

import argparse
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocrnet.config.params_file import load_params
from ocrnet.errors import RebuildError
from pipelines._command.run import command
from pipelines._keep import (
    PREFIX,
    drop_others,
    has_commit,
    keep_version,
    kept_tags,
    model_of,
    tag_name,
)
from pipelines._mlflow.target import Target, find_target

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

PARAMS = Path("params.yaml")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m pipelines.gc", description=__doc__)
    made.add_argument("--cloud", action="store_true", help="Delete in the remote as well")
    made.add_argument(
        "--dry", action="store_true", help="Print what would be deleted, and delete nothing"
    )
    made.add_argument("--force", "-f", action="store_true", help="Delete without asking")
    return made


def keep_versions(target: Target, own: str) -> list[str]:
    """Tag all registered versions that this repository made, and return the names of the tags.

    Args:
        target: Store of the registry.
        own: Name of this checkout's model, of which every version must be kept.

    Raises:
        RebuildError: a version cannot be kept.
        StoreError: the store names another checkout.
    """
    from pipelines._mlflow.origin import REQUIRED, read_origin

    tags = []
    for version in _versions(target):
        known = all(name in version.tags for name in REQUIRED)
        base = version.tags.get("git.sha", "")
        if not known or (version.name != own and not has_commit(Path(), base)):
            print(
                f"gc: {version.name} {version.version}: made elsewhere, not kept by this checkout"
            )
            continue
        origin = read_origin(target, version.name, str(version.version))
        held = {"dvc.lock": origin.provenance.lock, "params.yaml": origin.provenance.params}
        tags.append(tag_name(version.name, str(version.version)))
        keep_version(Path(), tags[-1], base, held)
    return tags


def check_registry(target: Target, tags: Collection[str], kept: Collection[str]) -> None:
    """Refuse a registry that lacks models with tags in this repository: it is probably another registry.

    Args:
        target: Store of the registry.
        tags: Tags of the versions in the registry.
        kept: Tags of versions in the repository.

    Raises:
        RebuildError: a model has tags, but the registry has no version of it.
    """
    gone = sorted({model_of(tag) for tag in kept} - {model_of(tag) for tag in tags})
    if gone:
        raise RebuildError(
            f"{target.shown}: holds no version of {', '.join(gone)}, which tags of this repository keep. Nothing was "
            "deleted. Set MLFLOW_TRACKING_URI to the registry that has them, or delete the tags: "
            f"git tag -d $(git tag -l '{PREFIX}{gone[0]}/*')"
        )


def _versions(target: Target) -> "Iterator[ModelVersion]":
    from pipelines._mlflow.client import configure, outages

    file, refusal = target.sqlite_file, target.refusal()
    if refusal is not None:
        raise RebuildError(f"{target.shown}: {refusal}. Nothing was deleted.")
    if file is not None and not file.is_file():
        return
    configure(target)
    from mlflow import MlflowClient

    try:
        client = MlflowClient(tracking_uri=target.uri)
        token = None
        while True:
            page = client.search_model_versions(page_token=token)
            yield from page
            token = page.token
            if not token:
                return
    except outages() as error:
        words = target.redact(str(error))[:300]
        raise RebuildError(f"{target.shown}: {words}. Nothing was deleted.") from None


@command("gc")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    given = parser().parse_args(argv)
    target = find_target()
    tags = keep_versions(target, load_params(PARAMS).publish.model_name)
    check_registry(target, tags, kept_tags(Path()))
    if not given.dry:
        drop_others(Path(), set(tags))
    print(f"gc: {len(tags)} registered versions are kept by tags", flush=True)
    options = [f"--{name}" for name in ("cloud", "dry", "force") if getattr(given, name)]
    command = ["dvc", "gc", "--workspace", "--all-branches", "--all-tags", *options]
    return subprocess.run([sys.executable, "-m", *command], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
