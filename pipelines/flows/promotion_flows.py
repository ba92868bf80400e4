"""Promotion and rollback as flows: a person, a schedule or an automation starts them.

They run the commands of the same names in a clone of the commit, with what `prepare` and `evaluate` wrote restored.
"""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from pipelines.flows.command_flow import options, run_command

TEST_DATA = ("prepare", "evaluate")


@flow(name="promote", flow_run_name="promote at {revision}")
def promote(
    repository: str,
    revision: str = "main",
    version: str = "",
    model: str = "",
    first: bool = False,
    dry_run: bool = False,
) -> State[Any]:
    """Make the challenger the champion if the gate accepts it.

    Args:
        repository: Address of the repository to clone.
        revision: Branch, tag or commit with the test split and the limits; the pipeline must have run at it.
        version: Number or alias of the version; empty for the challenger.
        model: Name of the registered model; empty for that of params.yaml.
        first: Whether there is no champion yet, so that minimum scores decide.
        dry_run: Whether to decide without moving an alias.
    """
    flags = [*(["--first"] if first else []), *(["--dry-run"] if dry_run else [])]

    def arguments() -> list[str]:
        return [*options({"version": version, "model": model}), *flags]

    return run_command(repository, revision, "promote", arguments, restored=TEST_DATA)


@flow(name="rollback", flow_run_name="rollback")
def rollback(
    repository: str, revision: str = "main", model: str = "", reason: str = ""
) -> State[Any]:
    """Make the previous champion the champion again.

    Args:
        repository: Address of the repository to clone.
        revision: Branch, tag or commit whose params name the model.
        model: Name of the registered model; empty for that of params.yaml.
        reason: Reason of the rollback, for the ledger.
    """
    return run_command(
        repository, revision, "rollback", lambda: options({"model": model, "reason": reason})
    )
