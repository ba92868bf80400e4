"""Versions of a registered model: their bundle, and their scores from `evaluate`."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from ocrnet.errors import BundleError, DataError
from pipelines._untrusted import digest, registry_name, run_id, version_number, version_or_alias

from .client import Session
from .registry import EVALUATION_TAG, WEIGHTS_TAG
from .runs import KEY_TAG

if TYPE_CHECKING:
    from ocrnet.evaluation.scored_split import TestSplit
    from ocrnet.gate.gate import Candidate
    from ocrnet.inference.scoring_protocol import ScoringProtocol

logger = logging.getLogger(__name__)
SCORES, CONFUSIONS = "scores.json", "confusions.npz"


@dataclass(frozen=True)
class Version:
    """A version of a registered model."""

    model: str
    number: str
    run_id: str
    tags: Mapping[str, str]

    @property
    def name(self) -> str:
        """Name of the version in messages."""
        return f"version {self.number}"

    @property
    def weights_sha256(self) -> str:
        """Hash of the registered weights."""
        return self.tags.get(WEIGHTS_TAG, "")


def find_version(session: Session, model: str, wanted: str) -> Version:
    """Return a version by its number or by an alias.

    Raises:
        ParamsError: the name of the model or of the version is not valid.
        DataError: the registry does not have the version.
    """
    from mlflow.exceptions import MlflowException

    registry_name(model, "--model")
    version_or_alias(wanted, "--version")
    client = session.client
    by_number = wanted.isdecimal()
    try:
        if by_number:
            found = client.get_model_version(model, wanted)
        else:
            found = client.get_model_version_by_alias(model, wanted)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        what = f"no version {wanted}" if by_number else f"no version with the alias {wanted!r}"
        raise DataError(
            f"{model}: {what} in {session.target.shown}. `python -m pipelines.publish` registers one."
        ) from None
    number = version_number(str(found.version), f"{model}: version", DataError)
    return Version(model, number, str(found.run_id or ""), dict(found.tags))


def fetch_bundle(version: Version, folder: Path) -> Path:
    """Download only weights and card of a version, and return their folder.

    Raises:
        BundleError: the version holds no bundle, or one with other weights than its tag says.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    from ocrnet.bundles.bundle import read_card

    folder.mkdir(parents=True, exist_ok=True)
    place = f"models:/{version.model}/{version.number}/artifacts"
    try:
        found = Path(download_artifacts(artifact_uri=place, dst_path=str(folder)))
    except (MlflowException, OSError) as error:
        raise BundleError(f"{place}: {' '.join(str(error).split())[:300]}") from error
    sha256 = read_card(found).weights_sha256
    if version.weights_sha256 and sha256 != version.weights_sha256:
        raise BundleError(
            f"{place}: holds the weights {sha256[:12]}, its tag {WEIGHTS_TAG} says {version.weights_sha256[:12]}. "
            "Register the model anew."
        )
    return found


def stored_scores(
    session: Session, version: Version, split: "TestSplit", protocol: "ScoringProtocol"
) -> "Candidate | None":
    """Return the scores of a version from `evaluate`; None where it used another split or protocol.

    None, too, where a file of the scores is damaged, with a warning: the version is then scored again.
    """
    run = evaluation_run(session, version)
    if run is None:
        return None
    with TemporaryDirectory() as folder:
        for name in (SCORES, CONFUSIONS):
            if not fetch_file(session, run, name, Path(folder)):
                return None
        try:
            return _read_scores(Path(folder), version, split, protocol)
        except (ValueError, KeyError, TypeError, AttributeError, OSError, BadZipFile) as error:
            logger.warning(
                "%s %s: the scores of run %s are damaged (%s: %s). The version is scored again.",
                version.model, version.name, run, type(error).__name__, error,
            )  # fmt: skip
            return None


def evaluation_run(session: Session, version: Version) -> str | None:
    """Return the id of the run of the evaluation that chose a version; None if the store does not have it."""
    key = version.tags.get(EVALUATION_TAG)
    if not key or not version.run_id:
        return None
    place = f"{version.model} {version.name}"
    digest(key, f"{place}: tag {EVALUATION_TAG}", DataError)
    run_id(version.run_id, f"{place}: run", DataError)
    experiment = session.client.get_run(version.run_id).info.experiment_id
    found = session.client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def fetch_file(session: Session, run: str, name: str, folder: Path) -> bool:
    """Download an artifact of a run into a folder, and tell whether the run has it."""
    if name not in {item.path for item in session.client.list_artifacts(run)}:
        return False
    session.client.download_artifacts(run, name, str(folder))
    return True


def _read_scores(
    folder: Path, version: Version, split: "TestSplit", protocol: "ScoringProtocol"
) -> "Candidate | None":
    import numpy as np

    from ocrnet.gate.gate import Candidate

    scores = json.loads((folder / SCORES).read_text())
    model = _model_of(scores, version)
    if model is None or scores.get("test_sha256") != split.sha256:
        return None
    if scores["protocol"] != json.loads(json.dumps({"words": protocol.words, **asdict(protocol)})):
        return None
    with np.load(folder / CONFUSIONS, allow_pickle=False) as arrays:
        confusions = arrays[f"confusion.{model['model']}"]
    return Candidate(
        name=version.name,
        ids=tuple(split.ids),
        groups=tuple(split.groups),
        confusions=confusions,
        calibration_error=float(model["calibration_error"]),
        weights_sha256=version.weights_sha256,
    )


def _model_of(scores: Mapping[str, Any], version: Version) -> dict[str, Any] | None:
    sha256 = version.weights_sha256
    found = [one for one in scores["models"] if sha256 and one["weights_sha256"] == sha256]
    return found[0] if found else None
