"""Delete files from DVC's cache that neither this checkout nor its branches, tags and registered versions need.

`python -m pipelines.gc` makes a git tag with the `dvc.lock` of each registered version, and then runs
`dvc gc --workspace --all-branches --all-tags`. `dvc gc --workspace` alone deletes files that `rebuild` and `promote`
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
from pipelines._command.exit_codes import command
from pipelines._mlflow.address import StoreAddress, find_address
from pipelines._repository.registered_tags import (
    PREFIX,
    drop_others,
    has_commit,
    keep_version,
    kept_tags,
    model_of,
    tag_name,
)

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

PARAMS = Path("params.yaml")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m pipelines.gc", description=__doc__)
    made.add_argument(
        "--cloud", action="store_true", help="Delete the files from the remote as well"
    )
    made.add_argument(
        "--dry", action="store_true", help="List the files to delete without deleting them"
    )
    made.add_argument(
        "--force", "-f", action="store_true", help="Delete without asking for confirmation"
    )
    return made


def keep_versions(target: StoreAddress, own: str) -> list[str]:
    """Tag all registered versions that this repository made, and return the names of the tags.

    Args:
        target: Store of the registry.
        own: Name of this checkout's model, of which every version must be kept.

    Raises:
        RebuildError: A version cannot be kept.
        StoreError: The store names another checkout.
    """
    from pipelines._mlflow.find_origin import REQUIRED, read_origin

    tags = []
    for version in _versions(target):
        known = all(name in version.tags for name in REQUIRED)
        base = version.tags.get("git.sha", "")
        if not known or (version.name != own and not has_commit(Path(), base)):
            print(
                f"gc: {version.name} {version.version}: made elsewhere; this checkout does not keep it"
            )
            continue
        origin = read_origin(target, version.name, str(version.version))
        files = {"dvc.lock": origin.provenance.lock, "params.yaml": origin.provenance.params}
        tags.append(tag_name(version.name, str(version.version)))
        keep_version(Path(), tags[-1], base, files)
    return tags


def check_registry(target: StoreAddress, tags: Collection[str], kept: Collection[str]) -> None:
    """Refuse a registry that lacks models with tags in this repository: it is probably the wrong registry.

    Args:
        target: Store of the registry.
        tags: Tags of the versions in the registry.
        kept: Tags of versions in the repository.

    Raises:
        RebuildError: A model has tags, but the registry has no version of it.
    """
    gone = sorted({model_of(tag) for tag in kept} - {model_of(tag) for tag in tags})
    if gone:
        raise RebuildError(
            f"{target.shown}: it has no version of {', '.join(gone)}, but this repository has tags of it. Nothing was "
            "deleted. Set MLFLOW_TRACKING_URI to the registry that has them, or delete the tags: "
            f"git tag -d $(git tag -l '{PREFIX}{gone[0]}/*')"
        )


def _versions(target: StoreAddress) -> "Iterator[ModelVersion]":
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
    target = find_address()
    tags = keep_versions(target, load_params(PARAMS).publish.model_name)
    check_registry(target, tags, kept_tags(Path()))
    if not given.dry:
        drop_others(Path(), set(tags))
    print(f"gc: tags keep {len(tags)} registered versions", flush=True)
    options = [f"--{name}" for name in ("cloud", "dry", "force") if getattr(given, name)]
    command = ["dvc", "gc", "--workspace", "--all-branches", "--all-tags", *options]
    return subprocess.run([sys.executable, "-m", *command], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
