"""The evaluation that chose a registered version: its scores per image, and the tags of the version."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .registered_model import opened_store, split_reference
from .versions import SCORES, evaluation_run, fetch_file, find_version

PER_IMAGE = "per_image.csv"


@dataclass(frozen=True)
class VersionFacts:
    """What the registry tells about a version.

    Args:
        tags: Tags of the version: its lineage.
        run: Run of the evaluation; None if the store does not have it.
        complete: Whether the files of the scores were downloaded.
    """

    tags: Mapping[str, str]
    run: str | None
    complete: bool


def fetch_evaluation(reference: str, folder: Path) -> VersionFacts:
    """Download `scores.json` and `per_image.csv` of a registered version into a folder.

    Args:
        reference: `models:/NAME/VERSION`.
        folder: Folder for both files.

    Raises:
        DataError: The registry does not have the version.
        StoreError: MLflow is not installed, unreachable or refuses a call.
    """
    model, wanted = split_reference(reference)
    with opened_store() as session:
        version = find_version(session, model, wanted)
        run = evaluation_run(session, version)
        complete = run is not None and all(
            fetch_file(session, run, name, folder) for name in (SCORES, PER_IMAGE)
        )
    return VersionFacts(version.tags, run, complete)
