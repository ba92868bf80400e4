"""A command of two processes that trains nothing: `python -m tests.pipelines.torchrun_job CASE`."""

import logging
import os
import sys
import time
from pathlib import Path

from ocrnet.errors import DataError
from pipelines._command.exit_codes import command
from pipelines._stage.rank import rank
from pipelines._stage.stage import set_up_logging
from pipelines._stage.torchrun import run_by_torchrun


def work(case: str) -> None:
    """Take part, as the case says."""
    import torch
    from torch import distributed

    logging.info("rank %d uses %s threads", rank(), os.environ["OMP_NUM_THREADS"])
    if case == "endless":
        Path(f"{rank()}.pid").write_text(str(os.getpid()))
        time.sleep(600)
    if case == "data" and rank() == 1:
        raise DataError("a.png: broken.\nb.png: broken.")
    total = torch.ones(1)
    distributed.all_reduce(total)
    logging.info("the sum over all ranks is %d", total)


@command("job")
def main(case: str) -> int:
    """Run the command and return its exit code."""
    set_up_logging()
    run_by_torchrun(
        lambda: work(case), ["tests.pipelines.torchrun_job", case], section="train", processes=2
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
