"""Promotion and drift as flows: they run the command of the commit on what the commit's run left."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .server import Server
from .stack import Stack, stack_of
from .toy import make_toy

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.tools]

# Stands for the command: what it is given, what lies beside it, and how it ends are the flow's business.
COMMAND = """
import pathlib, sys
print("scored on", pathlib.Path("data/prepare/args.txt").read_text())
print("asked for", *sys.argv[1:])
sys.exit(4 if "--first" in sys.argv else 0)
"""


@pytest.fixture
def stack(server: Server, tmp_path: Path) -> Iterator[Stack]:
    toy = make_toy(tmp_path)
    (toy.checkout / "pipelines").mkdir()
    (toy.checkout / "pipelines" / "__init__.py").touch()
    (toy.checkout / "pipelines" / "promote.py").write_text(COMMAND)
    (toy.checkout / "pipelines" / "cli.py").write_text(COMMAND)
    toy.publish("main", (toy.checkout / "dvc.yaml").read_text())
    with stack_of(toy, server) as found:
        yield found


def promote(stack: Stack, **parameters: object) -> str:
    """Run the flow promote and return the name and the words of its end."""
    return run(stack, "pipelines.flows.promotion_flows", "promote", parameters)


def run(stack: Stack, module: str, flow: str, parameters: dict[str, object]) -> str:
    """Run a flow and return the name and the words of its end."""
    script = (
        f"import sys; from {module} import {flow} as flow; "
        f"state = flow(repository=sys.argv[1], return_state=True, **{parameters!r}); "
        "print('said:', state.name, state.message)"
    )
    done = stack.toy.attempt(
        sys.executable, "-c", script, str(stack.toy.origin),
        cwd=stack.toy.root,  # the checkout has a package of that name, too
        PREFECT_API_URL=stack.server.url, OCRNET_CLONES=str(stack.toy.root / "clones"),
    )  # fmt: skip
    (said,) = [line for line in done.stdout.splitlines() if line.startswith("said: ")]
    return said.removeprefix("said: ")


def test_a_commit_that_was_not_run_has_nothing_to_be_scored_on(stack: Stack) -> None:
    assert promote(stack).startswith("Exit3 prepare: the run cache does not know it")


def test_a_refusal_is_an_answer_and_no_failure(stack: Stack) -> None:
    toy = stack.toy
    toy.run("dvc", "repro", "-q")
    toy.run("dvc", "push", "-q", "--run-cache")
    assert promote(stack, version="3") == "Completed asked for --version=3"
    assert promote(stack, first=True) == "Refused asked for --first"


def test_drift_names_the_folder_last_so_that_it_is_never_an_option(stack: Stack) -> None:
    toy = stack.toy
    toy.run("dvc", "repro", "-q")
    toy.run("dvc", "push", "-q", "--run-cache")

    def drift(folder: str) -> str:
        return run(stack, "pipelines.flows.drift_flow", "drift", {"folder": folder, "rate": 0.1})

    assert drift("/photos") == (
        "Completed asked for drift -o .state/drift_out --model=champion --rate=0.1 --mlflow -- /photos"
    )
    assert drift("photos").startswith("Exit2 folder: found 'photos', which is relative.")
