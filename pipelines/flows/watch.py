"""The flow that looks for new raw data and runs the pipeline on it."""

import hashlib
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed
from prefect.variables import Variable

from ocrnet.errors import OcrnetError
from pipelines._repository.clones import Clone, hold_clone, resolve_revision
from pipelines._repository.git import git
from pipelines.flows.stage import refuse
from pipelines.flows.start import start_run

PIPELINE = "pipeline/main"
RAW = "data/raw"


@flow(name="watch", flow_run_name="look for raw data at {revision}")
def watch(repository: str, revision: str = "main") -> State[Any]:
    """Start the pipeline if the raw data of a branch changed since the last check.

    Args:
        repository: Address of the repository to check.
        revision: Name of the branch.
    """
    logger = get_run_logger()
    try:
        with hold_clone(repository) as clone:
            commit = resolve_revision(clone, revision)
            found = raw_digest(clone, commit)
    except OcrnetError as error:
        return refuse(error)
    name = f"ocrnet_raw_{hashlib.sha256(f'{repository} {revision}'.encode()).hexdigest()[:12]}"
    known = Variable.get(name, default="")
    if found == known:
        return Completed(message=f"{RAW} is unchanged")
    # Stored before the run starts: a person, not the next check, restarts a run that fails.
    Variable.set(name, found, overwrite=True)
    if not known:
        return Completed(message=f"{RAW} is recorded; a change of it will start the pipeline")
    parameters = {"repository": repository, "revision": commit}
    run = start_run(PIPELINE, parameters, child=False)
    logger.info("%s changed: the pipeline runs at %s as %s", RAW, commit[:10], run.name)
    return Completed(message=f"{RAW} changed: run {run.name} ({run.id})")


def raw_digest(clone: Clone, commit: str) -> str:
    """Return a hash of the raw data of a commit: its files in git, including the `.dvc` files."""
    listed = git(clone.folder, "ls-tree", "-r", commit, "--", RAW)
    return hashlib.sha256(listed.encode()).hexdigest()
