"""Send the metrics of a running stage to MLflow: `python -m pipelines.follow OUT TIMES PID`, started by the stage."""

import argparse
import logging
import os
import sys
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser("python -m pipelines.follow", description=__doc__)
    found.add_argument("out", type=Path, metavar="OUT", help="Output folder of the stage")
    found.add_argument(
        "times", type=Path, metavar="TIMES", help="File with the time of each metric line"
    )
    found.add_argument("pid", type=int, metavar="PID", help="Process id of the stage")
    return found


def main(argv: list[str]) -> int:
    """Follow the stage and return the exit code."""
    given = parser().parse_args(argv)
    out, times, pid = given.out, given.times, given.pid
    os.nice(19)
    os.environ["OMP_NUM_THREADS"] = "1"
    from ocrnet.config.params_file import load_params
    from pipelines._mlflow.address import find_address
    from pipelines._mlflow.follow import follow, watch

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    alive = watch(pid)
    follow(out, times, alive, find_address(), load_params(Path("params.yaml")).publish.experiment)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
