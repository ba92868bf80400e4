"""Make the pools, deployments and automations of this repository on the Prefect server: `python -m pipelines.deploy`.

The pools are those that `dvc.yaml` names in `meta.pool`, and `pipelines` for the flows that wait for stages. Run it
again after a change of `dvc.yaml`; nothing is made twice.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ocrnet.errors import ParamsError
from pipelines import _outside
from pipelines._command.arguments import Parser
from pipelines._command.run import command
from pipelines._command.secrets import hide_secrets, without_credentials
from pipelines._git import git
from pipelines._local import check_prefect, repository_of, set_local_servers

GIVE_CREDENTIALS = "Workers need their own to clone it: docs/flows.md, Credentials."

PARENT_POOL = "pipelines"  # of flows that wait for others


def _parser() -> argparse.ArgumentParser:
    words = (__doc__ or "").partition("\n")[0]
    parser = Parser(prog="python -m pipelines.deploy", description=words)
    add = parser.add_argument
    add(
        "--repository",
        help="Repository that workers clone (default: this checkout where the server is local, else its origin)",
    )
    add(
        "--revision",
        help="Branch or commit of runs that name none (default: the branch of this checkout)",
    )
    add("--needs", action="append", default=[], metavar="POOL:KEY=N,...",
        help="Resources that each machine of a pool has: gpus, gpu_memory_gib, cpus, memory_gib, disk_gib; "
             "a pool whose name begins with gpu promises gpus=1")  # fmt: skip
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
        help="Interval of looking for new raw data (default: off)",
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


def read_promises(pools: Sequence[str], given: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the resources that each pool promises.

    Args:
        pools: Names of all pools.
        given: Values of `--needs`; a pool that none of them names keeps the promise of its name.

    Raises:
        ParamsError: a value is wrong or does not name a pool.
    """
    from pipelines.flows.needs import parse_needs

    needs = {pool: {"gpus": 1.0} for pool in pools if pool.startswith("gpu")}
    named: set[str] = set()
    for text in given:
        try:
            pool, values = parse_needs(text)
        except ValueError as error:
            raise ParamsError(str(error)) from None
        known = sorted({PARENT_POOL, *pools})
        if pool not in known:
            raise ParamsError(f"--needs {text}: no pool {pool!r}. dvc.yaml has {', '.join(known)}.")
        if pool in named:
            raise ParamsError(
                f"--needs {text}: pool {pool} stands twice. Write it once: POOL:KEY=N,KEY=N"
            )
        named.add(pool)
        needs[pool] = values
    return needs


def unpushed(repository: str, revision: str) -> str | None:
    """Return a message on what runs would not see: unpushed commits and uncommitted changes."""
    if Path(repository).is_dir() and Path(repository).resolve() == Path.cwd().resolve():
        changed = git(Path.cwd(), "status", "--porcelain", "--untracked-files=no")
        return "changes that are not committed are not run" if changed else None
    head = git(Path.cwd(), "rev-parse", "HEAD")
    arguments = ("ls-remote", "--", without_credentials(repository), f"refs/heads/{revision}")
    listed = git(Path.cwd(), *arguments, address=repository)
    found = listed.partition("\t")[0]
    if found == head:
        return None
    return (
        f"{without_credentials(repository)} has {revision} at {found[:10] or 'no commit'}, this checkout is at "
        f"{head[:10]}: push it first, or the other is run"
    )


def _revision_of(folder: Path) -> str:
    """Return the branch that is checked out, or the commit where none is."""
    branch = git(folder, "rev-parse", "--abbrev-ref", "HEAD")
    return git(folder, "rev-parse", "HEAD") if branch == "HEAD" else branch


@command("deploy")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    local = set_local_servers()
    given = _parser().parse_args(argv)
    for check, name in ((_outside.repository, "repository"), (_outside.revision, "revision")):
        if (value := getattr(given, name)) is not None:
            check(value, f"--{name}")
    if given.timezone and not given.nightly:
        raise ParamsError("--timezone: it is that of --nightly, which is not given.")
    from pipelines.flows.bootstrap import make_all
    from pipelines.flows.pools import asking, check_password
    from pipelines.flows.times import nightly_schedule, watch_schedule

    schedules = nightly_schedule(given.nightly, given.timezone), watch_schedule(given.watch)
    pools = read_pools()
    needs = read_promises(pools, given.needs)
    check_prefect()
    check_password()
    here = Path.cwd()
    address = given.repository or repository_of(here, local=local)
    revision = given.revision or _revision_of(here)
    notes = [*filter(None, [unpushed(address, revision)])]
    repository = without_credentials(address)
    if repository != address:
        notes.append(f"the credentials of {repository} are stored nowhere. {GIVE_CREDENTIALS}")
    with asking():
        lines = make_all(pools, repository, revision=revision, needs=needs, schedules=schedules)
    print("\n".join(lines))
    for note in notes:
        print(f"deploy: note: {hide_secrets(note)}", file=sys.stderr)
    print(f"repository {repository} at {revision}. Start workers: python -m pipelines.work")
    return 0


if __name__ == "__main__":
    sys.exit(main())
