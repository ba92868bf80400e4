"""A command of the repository as a flow: in a clone of a commit, with its lines in the log and on the run's page."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from ocrnet.errors import DataError, GateError, OcrnetError
from pipelines import _untrusted
from pipelines._repository.clones import Clone, check_out, hold_clone, resolve_revision
from pipelines.flows.command import advance, run_module
from pipelines.flows.stage import EXIT, refuse

REFUSED = "Refused"


def run_command(
    repository: str,
    revision: str,
    name: str,
    arguments: Callable[[], Sequence[str]],
    *,
    restored: Sequence[str] = (),
) -> State[Any]:
    """Run `python -m pipelines.NAME` and return the state of the flow.

    Args:
        repository: Address of the repository to clone.
        revision: Branch, tag or commit.
        name: Name of the module below `pipelines`.
        arguments: Function that checks the flow's parameters and returns the arguments of the command.
        restored: Stages whose outputs the command needs.
    """
    logger = get_run_logger()
    lines: list[str] = []

    def log_line(line: str) -> None:
        logger.info(line)
        lines.append(line)

    try:
        words = arguments()
        with hold_clone(repository) as clone:
            check_out(clone, resolve_revision(clone, revision), {})
            _restore(clone, restored)
            code, _ = run_module(clone, f"pipelines.{name}", *words, log=log_line)
    except OcrnetError as error:
        return refuse(error)
    create_markdown_artifact("```\n" + "\n".join(lines) + "\n```\n", key=name)
    last = lines[-1] if lines else ""
    if code == GateError.exit_code:
        return Completed(name=REFUSED, message=last)
    if code:
        return Failed(name=f"{EXIT}{code}", message=last)
    return Completed(message=last)


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


def _restore(clone: Clone, stages: Sequence[str]) -> None:
    """Restore the outputs of stages of the commit.

    Raises:
        DataError: the pipeline has not run at the commit.
    """
    if not stages:
        return
    missing = [line["name"] for line in advance(clone, stages, []) if line["state"] != "restored"]
    if missing:
        raise DataError(
            f"{missing[0]}: the run cache does not know it for this commit. Run the pipeline at it first."
        )
