"""Find the origin of a registered version in its registry and its runs."""

import hashlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ocrnet.errors import RebuildError
from pipelines import _untrusted

from .address import StoreAddress
from .origin import EVALUATE, Origin, Provenance
from .registry import EVALUATION_TAG, WEIGHTS_TAG
from .runs import KEY_TAG
from .tags import check_tags, commit_or_none

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

REQUIRED = (
    "git.sha", "git.dirty", "stage", "metrics", "dvc.lock_md5", KEY_TAG, EVALUATION_TAG, WEIGHTS_TAG,
)  # fmt: skip
UNTRUSTED = "One of them was changed since, so no rebuild can be trusted."


def read_origin(target: StoreAddress, model: str, version: str) -> Origin:
    """Read a version and find the files of its provenance; the store is only read.

    Args:
        target: Store of the registry.
        model: Name of the registered model.
        version: Number or alias of the version.

    Raises:
        RebuildError: the version does not exist or lacks a tag, or no run holds its files any more.
        StoreError: the checkout was moved or copied, and its store names the old place.
    """
    from .client import configure, outages
    from .local_artifacts import check_store

    _refuse_absent(target)
    check_store(target)
    configure(target)
    from mlflow import MlflowClient

    try:
        return _read(MlflowClient(tracking_uri=target.uri), model, version)
    except outages() as error:
        place = f"{model} version {version}: {target.shown}"
        raise RebuildError(f"{place}: {target.redact(str(error))[:300]}") from None


def _refuse_absent(target: StoreAddress) -> None:
    file = target.sqlite_file
    if file is not None and not file.is_file():
        raise RebuildError(
            f"{target.shown}: no such store. Set MLFLOW_TRACKING_URI to the one that holds the version."
        )
    refusal = target.refusal()
    if refusal is not None:
        raise RebuildError(f"{target.shown}: {refusal}. Try again once the server is back.")


def _read(client: "MlflowClient", model: str, version: str) -> Origin:
    found = _find_version(client, model, version)
    place = f"{model} version {found.version}"
    missing = [name for name in REQUIRED if name not in found.tags]
    if missing:
        raise RebuildError(
            f"{place}: has no tag {', '.join(missing)}, so nothing says how it was made. "
            "Only versions that `publish` registered can be rebuilt."
        )
    check_tags(found.tags, place)
    evaluation = _find_evaluation(client, found.tags[EVALUATION_TAG])
    provenance, notes = _choose(client, found, evaluation, place=place)
    _check_params(provenance, found.tags["stage"], place=place)
    tags = {} if evaluation is None else dict(evaluation.data.tags)
    if "git.sha" in tags:
        where = f"run {evaluation.info.run_id if evaluation else ''}: tag git.sha"
        commit_or_none(tags["git.sha"], where)
    return Origin(model, str(found.version), dict(found.tags), provenance, tags, notes)


def _find_version(client: "MlflowClient", model: str, version: str) -> "ModelVersion":
    from mlflow.exceptions import MlflowException

    try:
        if version.isdecimal():
            return client.get_model_version(model, version)
        return client.get_model_version_by_alias(model, version.removeprefix("@"))
    except MlflowException as error:
        known = sorted(
            int(item.version) for item in client.search_model_versions(f"name = '{model}'")
        )
        if not known:
            raise RebuildError(
                f"{model}: no such registered model, or it has no version."
            ) from error
        raise RebuildError(
            f"{model}: no version or alias {version}. Versions: {', '.join(map(str, known))}."
        ) from error


def _find_evaluation(client: "MlflowClient", key: str) -> "Run | None":
    experiments = [item.experiment_id for item in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
    return found[0] if found else None


def _choose(
    client: "MlflowClient", version: "ModelVersion", evaluation: "Run | None", *, place: str
) -> tuple[Provenance, tuple[str, ...]]:
    """Return the files of the run that keeps the version's `dvc.lock`.

    The run of the training keeps them. Where a later evaluation chose the same weights, the version's `dvc.lock` is
    newer, and the run of that evaluation keeps it.
    """
    runs = [str(version.run_id)] if version.run_id else []
    if evaluation is not None:
        runs.append(str(evaluation.info.run_id))
    reasons: list[str] = []
    held = list(_held(client, runs, reasons))
    for provenance in held:
        if hashlib.md5(provenance.lock).hexdigest() == version.tags["dvc.lock_md5"]:
            contradiction = provenance.unlike(version.tags)
            if contradiction:
                raise RebuildError(
                    f"{place}: run {provenance.run_id}: {contradiction}. {UNTRUSTED}"
                )
            return provenance, ()
    for provenance in held:
        contradiction = provenance.unlike(version.tags)
        if contradiction is None:
            return provenance, (
                "dvc.lock: another file than the tag dvc.lock_md5 names, with the same two stages",
            )
        reasons.append(f"run {provenance.run_id}: {contradiction}")
    raise RebuildError(
        f"{place}: no run holds its dvc.lock: {'; '.join(reasons)}. A deleted run comes back with MLflow's "
        "restore_run until it is purged."
    )


def _held(client: "MlflowClient", runs: list[str], reasons: list[str]) -> Iterator[Provenance]:
    """Yield the files that the runs keep, and append a reason for each run that keeps none."""
    from mlflow.exceptions import MlflowException

    for run_id in runs:
        try:
            _untrusted.run_id(run_id, "run", RebuildError)
            if client.get_run(run_id).info.lifecycle_stage == "deleted":
                reasons.append(f"run {run_id} was deleted")
                continue
            with TemporaryDirectory() as folder:
                files = [
                    Path(client.download_artifacts(run_id, f"provenance/{name}", folder))
                    for name in ("dvc.lock", "params.yaml")
                ]
                lock, params = (path.read_bytes() for path in files)
                yield Provenance(run_id, lock, params)
        except (MlflowException, OSError) as error:
            reasons.append(f"run {run_id}: {' '.join(str(error).split())[:200]}")


def _check_params(provenance: Provenance, stage: str, *, place: str) -> None:
    """Compare `params.yaml` with the params of the two stages in `dvc.lock`.

    Raises:
        RebuildError: a value differs.
    """
    yaml = YAML(typ="safe")
    try:
        params = yaml.load(BytesIO(provenance.params))
        stages = yaml.load(BytesIO(provenance.lock))["stages"]
    except (YAMLError, RecursionError, ValueError) as error:
        reason = _untrusted.shown(" ".join(str(error).split()))
        place = f"{place}: params.yaml of run {provenance.run_id}"
        raise RebuildError(f"{place}: not YAML: {reason}") from None
    for name in (stage, EVALUATE):
        for key, locked in (stages[name].get("params") or {}).get("params.yaml", {}).items():
            found = _look_up(params, key)
            if found != locked:
                raise RebuildError(
                    f"{place}: params.yaml of run {provenance.run_id}: {key} is {found!r}, "
                    f"dvc.lock says {locked!r}. {UNTRUSTED}"
                )


def _look_up(params: Any, key: str) -> Any:
    for name in key.split("."):
        params = params.get(name) if isinstance(params, dict) else None
    return params
