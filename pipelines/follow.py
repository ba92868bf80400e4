"""Send the metrics of a running stage to MLflow: `python -m pipelines.follow OUT TIMES PID`, started by the stage."""

import logging
import os
import sys
from pathlib import Path


def main(argv: list[str]) -> int:
    """Follow the stage and return the exit code, which nobody waits for."""
    out, times, pid = Path(argv[0]), Path(argv[1]), int(argv[2])
    os.nice(19)
    os.environ["OMP_NUM_THREADS"] = "1"
    from ocrnet.params_file import load_params
    from pipelines._mlflow.follow import follow, watch
    from pipelines._mlflow.target import find_target

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    alive = watch(pid)
    follow(out, times, alive, find_target(), load_params(Path("params.yaml")).publish.experiment)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
