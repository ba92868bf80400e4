"""Which workers a machine starts, and what it is refused for: by its GPUs and what pools promise, without a server."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ocrnet.errors import DataError, ParamsError
from pipelines.flows.needs import lacks, parse_needs
from pipelines.work import Slot, plan

NEEDS: dict[str, dict[str, Any]] = {
    "pipelines": {},
    "cpu": {},
    "gpu": {"gpus": 1, "gpu_memory_gib": 16},
}


@pytest.fixture(autouse=True)
def clones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCRNET_CLONES", str(tmp_path))


def given(**options: Any) -> argparse.Namespace:
    defaults: dict[str, Any] = {"pool": [], "group": 1, "slots": 1, "name": "host"}
    return argparse.Namespace(**{**defaults, **options})


def names(memory: Mapping[int, float], **options: Any) -> dict[str, tuple[int, ...]]:
    return {slot.name: slot.gpus for slot in plan(NEEDS, memory, given(**options))}


def test_each_gpu_has_a_worker_that_sees_it_alone() -> None:
    found = names({0: 24.0, 1: 24.0, 3: 24.0}, pool=["gpu"])
    assert found == {"host-gpu-0": (0,), "host-gpu-1": (1,), "host-gpu-3": (3,)}


def test_a_group_of_gpus_has_one_worker_and_a_rest_has_none() -> None:
    memory = dict.fromkeys(range(5), 24.0)
    assert names(memory, pool=["gpu"], group=2) == {"host-gpu-0-1": (0, 1), "host-gpu-2-3": (2, 3)}


def test_slots_multiply_workers_of_pools_without_gpus_alone() -> None:
    found = names({0: 24.0}, pool=["gpu", "cpu"], slots=2)
    assert found == {"host-gpu-0": (0,), "host-cpu-0": (), "host-cpu-1": ()}


def test_runs_that_wait_for_others_are_many_on_a_worker_and_stages_one() -> None:
    limits = {slot.pool: slot.limit for slot in plan(NEEDS, {0: 24.0}, given())}
    assert limits["pipelines"] > 1
    assert (limits["gpu"], limits["cpu"]) == (1, 1)


def test_a_machine_without_gpus_serves_the_other_pools_and_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    slots = plan(NEEDS, {}, given())
    assert slots == [Slot("pipelines", "host-pipelines-0", (), 8), Slot("cpu", "host-cpu-0", ())]
    told = capsys.readouterr().err
    assert told.startswith(
        "work: pool gpu: this machine is not taken: found 0 GPUs, the pool promises 1; "
    )


def test_the_smallest_gpu_counts() -> None:
    with pytest.raises(DataError, match="found 8 GiB of memory on each GPU, the pool promises 16"):
        plan(NEEDS, {0: 8.0, 1: 24.0}, given(pool=["gpu"], group=2))


def test_a_pool_that_the_server_lacks_is_told_with_those_it_has() -> None:
    with pytest.raises(ParamsError, match=r"^--pool tpu: the server has pipelines, cpu, gpu\. Run"):
        plan(NEEDS, {}, given(pool=["tpu"]))


def test_promises_are_read_from_a_word_and_kept_or_not(tmp_path: Path) -> None:
    pool, needs = parse_needs("cpu:cpus=1,memory_gib=1e9,disk_gib=0")
    assert (pool, needs) == ("cpu", {"cpus": 1.0, "memory_gib": 1e9, "disk_gib": 0.0})
    (line,) = lacks(needs, [], str(tmp_path))
    assert line.endswith(" GiB of memory, the pool promises 1e+09")
    with pytest.raises(ValueError, match="'gpu' is not one of gpus, "):
        parse_needs("gpu:gpu=1")
