"""Write the `dvc.lock` of a run of the pipeline: `python -m pipelines.fetch_run RUN`.

Then `dvc pull` fetches the outputs.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ocrnet.data.files import write_whole
from ocrnet.errors import DataError
from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import command
from pipelines._dvc_files.lock_check import check_lock
from pipelines._servers.local import check_prefect, set_local_servers
from pipelines._untrusted import flow_run_id

LOCK_FILE = Path("dvc.lock")


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = Parser(
        prog="python -m pipelines.fetch_run",
        description="Write the dvc.lock of a run of the pipeline.",
    )
    found.add_argument("run", metavar="RUN", help="Id of the flow run, from its page")
    return found


@command("fetch_run")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    given = parser().parse_args(argv)
    flow_run_id(given.run, "RUN", DataError)
    set_local_servers()
    check_prefect()
    from pipelines.flows.pools import asking, check_password, read_lock

    check_password()
    with asking():
        text = read_lock(given.run)
    check_lock(text, f"dvc.lock of run {given.run}", DataError)
    write_whole(LOCK_FILE, text)
    print(
        "Wrote dvc.lock of the run. Fetch its outputs: `dvc pull`, or `dvc checkout` if you share its cache."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
