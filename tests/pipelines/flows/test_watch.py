"""The flow that looks for new raw data starts the pipeline once per change."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .server import Server
from .stack import Stack, stack_of
from .toy import make_toy

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.tools]


@pytest.fixture
def stack(server: Server, tmp_path: Path) -> Iterator[Stack]:
    with stack_of(make_toy(tmp_path), server) as found:
        found.deploy(["gpu"], (300, 300))
        yield found


def look(stack: Stack) -> str:
    """Run the flow once and return what it says."""
    script = (
        "import sys; from pipelines.flows.watch import watch; "
        "print('said:', watch(repository=sys.argv[1], return_state=True).message)"
    )
    done = stack.command(sys.executable, "-c", script, str(stack.toy.origin))
    assert done.returncode == 0, done.stderr
    (said,) = [line for line in done.stdout.splitlines() if line.startswith("said: ")]
    return said.removeprefix("said: ")


def test_a_change_of_raw_data_starts_the_pipeline_at_its_commit_and_nothing_else_does(
    stack: Stack,
) -> None:
    toy = stack.toy
    assert "is recorded" in look(stack)
    toy.publish("main", (toy.checkout / "dvc.yaml").read_text())  # a commit of other things
    assert look(stack) == "data/raw is unchanged"
    raw = toy.checkout / "data" / "raw"
    raw.mkdir()
    (raw / "mine.dvc").write_text("outs:\n- {md5: 0123, path: mine}\n")
    toy.run("git", "add", "--force", "data/raw/mine.dvc")
    commit = toy.publish("main", (toy.checkout / "dvc.yaml").read_text())
    told = look(stack)
    assert told.startswith("data/raw changed: run ")
    run = told.rpartition("(")[2].rstrip(")")
    assert stack.api.parameters(run)["revision"] == commit
    assert look(stack) == "data/raw is unchanged"
    assert stack.api.state(run)["type"] == "SCHEDULED"  # no worker is there
    stack.api.cancel(run)  # else the workers of another test take it
    assert stack.api.ended(run)["type"] == "CANCELLED"
