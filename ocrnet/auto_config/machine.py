"""What the machine has: cores, memory, a GPU."""

import os
from dataclasses import dataclass
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup/memory.max")  # limit of a container


@dataclass(frozen=True)
class Machine:
    """A machine that trains.

    Args:
        cores: CPU cores that this process may use.
        memory_bytes: Memory that trainings may use: of the GPU if there is one, else of the machine.
        gpu: Name of the GPU; None without one.
    """

    cores: int
    memory_bytes: int
    gpu: str | None = None

    @property
    def memory_gib(self) -> float:
        """Memory in GiB."""
        return self.memory_bytes / 2**30

    @property
    def words(self) -> str:
        """The machine in words."""
        cores = f"{self.cores} core{'s' * (self.cores != 1)}"
        if self.gpu is None:
            return f"{cores}, {self.memory_gib:.0f} GiB of memory, no GPU"
        return f"{cores}, {self.gpu} with {self.memory_gib:.0f} GiB"


def read_machine() -> Machine:
    """Return the machine that this process runs on."""
    import torch  # two seconds

    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        return Machine(cores, int(gpu.total_memory), gpu.name)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(cores, min(memory, _container_limit(memory)))


def _container_limit(memory: int) -> int:
    try:
        text = _CGROUP.read_text().strip()
    except OSError:
        return memory
    return int(text) if text.isdecimal() else memory
