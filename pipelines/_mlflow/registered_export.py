"""Exported files of a registered version: artifacts of its run, and a tag for each with its hash."""

import json
from collections.abc import Sequence

from ocrnet.data.manifest import file_sha256
from ocrnet.errors import DataError
from ocrnet.export.exported import Exported, record_path

from .registered_model import opened_store, split_reference
from .versions import find_version

FOLDER = "exports"
TAG = "export."


def kind_of(exported: Exported) -> str:
    """Return the kind of a file: its format, and what differs from the default.

    A version keeps one file of each kind; a new one takes the place of the old one.
    """
    card = exported.card
    parts = [exported.kind]
    parts += ["raw"] * card.is_raw + [card.layout] * (not card.is_raw and card.layout != "nhwc")
    parts += ["probabilities"] * card.probabilities
    parts += [f"{card.size[0]}x{card.size[1]}"] if card.size is not None else []
    parts += [card.precision] * (card.precision != "float32")
    return "_".join(parts)


def store_exports(reference: str, files: Sequence[Exported]) -> list[str]:
    """Store files with the version that they were made from, and return a line about each for people.

    Args:
        reference: `models:/NAME/VERSION`.
        files: Exported files with their records beside them.

    Raises:
        DataError: The registry does not have the version, or the version has no run.
        StoreError: MLflow is unreachable or refuses a call.
    """
    model, number = split_reference(reference)
    lines = []
    with opened_store() as session:
        version = find_version(session, model, number)
        if not version.run_id:
            raise DataError(
                f"{reference}: the version has no run that could hold files. Use --no-register."
            )
        for exported in files:
            folder = f"{FOLDER}/{number}/{kind_of(exported)}"
            for path in (exported.path, record_path(exported.path)):
                session.client.log_artifact(version.run_id, str(path), folder)
            facts = {
                "sha256": file_sha256(exported.path),
                "artifact": f"runs:/{version.run_id}/{folder}/{exported.path.name}",
                "equal_pixels": exported.agreement.share,
            }
            session.client.set_model_version_tag(
                model, number, TAG + kind_of(exported), json.dumps(facts)
            )
            lines.append(f"{exported.path}: stored as {facts['artifact']}")
    return lines
