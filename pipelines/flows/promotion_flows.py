"""Promotion and rollback as flows: a person, a schedule or an automation starts them.

They run the commands of the same names in a clone of the commit, with what `prepare` and `evaluate` wrote restored.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from ocrnet.errors import DataError, GateError, OcrnetError
from pipelines import _untrusted
from pipelines._repository.clones import Clone, check_out, hold_clone, resolve_revision
from pipelines.flows.command import advance, run_module
from pipelines.flows.stage import EXIT, refuse

REFUSED = "Refused"
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
    given = {"version": version, "model": model}
    flags = [*(["--first"] if first else []), *(["--dry-run"] if dry_run else [])]
    return _run(repository, revision, "promote", given, flags, before=_restore_test_data)


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
    return _run(repository, revision, "rollback", {"model": model, "reason": reason})


def _run(
    repository: str,
    revision: str,
    name: str,
    given: Mapping[str, str],
    flags: Sequence[str] = (),
    *,
    before: Callable[[Clone], None] = lambda clone: None,
) -> State[Any]:
    logger = get_run_logger()
    lines: list[str] = []

    def log_line(line: str) -> None:
        logger.info(line)
        lines.append(line)

    try:
        arguments = [*options(given), *flags]
        with hold_clone(repository) as clone:
            check_out(clone, resolve_revision(clone, revision), {})
            before(clone)
            code, _ = run_module(clone, f"pipelines.{name}", *arguments, log=log_line)
    except OcrnetError as error:
        return refuse(error)
    create_markdown_artifact("```\n" + "\n".join(lines) + "\n```\n", key=name)
    words = lines[-1] if lines else ""
    if code == GateError.exit_code:
        return Completed(name=REFUSED, message=words)
    if code:
        return Failed(name=f"{EXIT}{code}", message=words)
    return Completed(message=words)


def options(given: Mapping[str, str]) -> list[str]:
    """Return the options of a command, each in one word with its value, so that no value is read as an option.

    Raises:
        ParamsError: an option does not accept its value.
    """
    parsers = {
        "version": _untrusted.version_or_alias,
        "model": _untrusted.registry_name,
        "reason": _untrusted.text_line,
    }
    return [f"--{name}={parsers[name](value, name)}" for name, value in given.items() if value]


def _restore_test_data(clone: Clone) -> None:
    """Restore the test split and the scores of the commit.

    Raises:
        DataError: the pipeline has not run at the commit.
    """
    missing = [
        line["name"] for line in advance(clone, TEST_DATA, []) if line["state"] != "restored"
    ]
    if missing:
        raise DataError(
            f"{missing[0]}: the run cache does not know it for this commit. Run the pipeline at it first."
        )
