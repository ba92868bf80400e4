"""The place of this process among those that torchrun started; a process that it did not start is alone."""

import os


def is_rank() -> bool:
    """Tell whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def rank() -> int:
    """Return the number of this process, from 0; only rank 0 writes files and logs."""
    return int(os.environ["RANK"]) if is_rank() else 0
