"""What a machine has, within the limit of its container."""

from pathlib import Path

import pytest

from ocrnet.auto_config import machine
from ocrnet.auto_config.machine import Machine, read_machine

GIB = 2**30


@pytest.mark.parametrize(
    ("text", "limited"), [(f"{GIB}\n", True), ("max\n", False), (f"{2**60}", False), (None, False)]
)
def test_a_container_may_have_less_memory_than_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, limited: bool
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(machine, "_CGROUP", tmp_path / "memory.max")
    whole = read_machine().memory_bytes
    assert whole > GIB
    if text is not None:
        (tmp_path / "memory.max").write_text(text)
    assert read_machine().memory_bytes == (GIB if limited else whole)


def test_a_machine_in_words() -> None:
    assert Machine(1, 3 * GIB).words == "1 core, 3 GiB of memory, no GPU"
    assert Machine(16, 24 * GIB, "Card").words == "16 cores, Card with 24 GiB"
