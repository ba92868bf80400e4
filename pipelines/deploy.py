"""Make the pools, deployments and automations of this repository on the Prefect server: `python -m pipelines.deploy`.

The pools are those that `dvc.yaml` names in `meta.pool`, and `pipelines` for the flows that wait for stages. Run it
again after a change of `dvc.yaml`: existing ones are updated.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ocrnet.errors import ParamsError
from pipelines import _untrusted
from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import command
from pipelines._command.secrets import hide_secrets, without_credentials
from pipelines._repository.git import git
from pipelines._servers.local import check_prefect, repository_of, set_local_servers

GIVE_CREDENTIALS = "Workers need credentials of their own to clone it: docs/flows.md, Credentials."

PARENT_POOL = "pipelines"  # pool of flows that wait for others


def _parser() -> argparse.ArgumentParser:
    words = (__doc__ or "").partition("\n")[0]
    parser = Parser(prog="python -m pipelines.deploy", description=words)
    add = parser.add_argument
    add(
        "--repository",
        help="Repository that workers clone (default: this checkout if the server is local, otherwise its origin)",
    )
    add(
        "--revision",
        help="Branch or commit of runs that do not name one (default: the branch of this checkout)",
    )
    add("--needs", action="append", default=[], metavar="POOL:KEY=N,...",
        help="Resources that a pool requires of each machine: gpus, gpu_memory_gib, cpus, memory_gib, disk_gib; "
             "a pool whose name begins with gpu requires gpus=1 by default")  # fmt: skip
    add(
        "--nightly",
        default="",
        metavar="CRON",
        help="Times at which the pipeline runs, such as '0 3 * * *' (default: off)",
    )
    add(
        "--timezone",
        default="",
        metavar="ZONE",
        help="Time zone of --nightly, such as Europe/Berlin (default: UTC)",
    )
    add(
        "--watch",
        type=int,
        default=0,
        metavar="SECONDS",
        help="Seconds between two checks for new raw data (default: off)",
    )
    return parser


def read_pools() -> list[str]:
    """Return the pools that `dvc.yaml` names.

    Raises:
        ParamsError: `dvc.yaml` is wrong.
    """
    command = [sys.executable, "-m", "pipelines._dvc.graph"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ParamsError(done.stderr.strip())
    nodes = [json.loads(line) for line in done.stdout.splitlines()]
    return sorted({node["pool"] for node in nodes if node["command"]})


def read_requirements(pools: Sequence[str], given: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the resources that each pool requires.

    Args:
        pools: Names of all pools.
        given: Values of `--needs`; a pool that none of them names has the requirements that its name implies.

    Raises:
        ParamsError: A value is wrong or does not name a pool.
    """
    from pipelines.flows.requirements import parse_needs

    needs = {pool: {"gpus": 1.0} for pool in pools if pool.startswith("gpu")}
    named: set[str] = set()
    for text in given:
        try:
            pool, values = parse_needs(text)
        except ValueError as error:
            raise ParamsError(str(error)) from None
        known = sorted({PARENT_POOL, *pools})
        if pool not in known:
            raise ParamsError(
                f"--needs {text}: dvc.yaml has no pool {pool!r}. It has {', '.join(known)}."
            )
        if pool in named:
            raise ParamsError(
                f"--needs {text}: pool {pool} is given twice. Write it once: POOL:KEY=N,KEY=N"
            )
        named.add(pool)
        needs[pool] = values
    return needs


def unpushed(repository: str, revision: str) -> str | None:
    """Return a message on what runs would not include: unpushed commits and uncommitted changes."""
    if Path(repository).is_dir() and Path(repository).resolve() == Path.cwd().resolve():
        changed = git(Path.cwd(), "status", "--porcelain", "--untracked-files=no")
        return "runs do not include uncommitted changes" if changed else None
    head = git(Path.cwd(), "rev-parse", "HEAD")
    arguments = ("ls-remote", "--", without_credentials(repository), f"refs/heads/{revision}")
    listed = git(Path.cwd(), *arguments, address=repository)
    found = listed.partition("\t")[0]
    if found == head:
        return None
    return (
        f"{without_credentials(repository)} has {revision} at {found[:10] or 'no commit'}, this checkout has it at "
        f"{head[:10]}. Push it first; runs use the commit of the repository"
    )


def _revision_of(folder: Path) -> str:
    """Return the branch that is checked out, or the commit if none is."""
    branch = git(folder, "rev-parse", "--abbrev-ref", "HEAD")
    return git(folder, "rev-parse", "HEAD") if branch == "HEAD" else branch


@command("deploy")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    local = set_local_servers()
    given = _parser().parse_args(argv)
    for check, name in ((_untrusted.repository, "repository"), (_untrusted.revision, "revision")):
        if (value := getattr(given, name)) is not None:
            check(value, f"--{name}")
    if given.timezone and not given.nightly:
        raise ParamsError(
            "--timezone: it needs --nightly, which is not given. Give both, or neither."
        )
    from pipelines.flows.cron import nightly_schedule, watch_schedule
    from pipelines.flows.pools import asking, check_password
    from pipelines.flows.server_setup import make_all

    schedules = nightly_schedule(given.nightly, given.timezone), watch_schedule(given.watch)
    pools = read_pools()
    needs = read_requirements(pools, given.needs)
    check_prefect()
    check_password()
    here = Path.cwd()
    address = given.repository or repository_of(here, local=local)
    revision = given.revision or _revision_of(here)
    notes = [*filter(None, [unpushed(address, revision)])]
    repository = without_credentials(address)
    if repository != address:
        notes.append(f"the credentials of {repository} are not stored. {GIVE_CREDENTIALS}")
    with asking():
        lines = make_all(pools, repository, revision=revision, needs=needs, schedules=schedules)
    print("\n".join(lines))
    for note in notes:
        print(f"deploy: note: {hide_secrets(note)}", file=sys.stderr)
    print(f"repository {repository} at {revision}. Start workers: python -m pipelines.workers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
