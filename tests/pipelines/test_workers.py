"""Which workers a machine starts, and which pools refuse it."""

import argparse
from pathlib import Path

import pytest

from ocrnet.errors import DataError, ParamsError
from pipelines._servers.slots import Slot, plan, usable_gpus
from pipelines.flows.requirements import lacks, parse_needs

NEEDS = {"pipelines": {}, "gpu": {"gpus": 1.0, "gpu_memory_gib": 16.0}}
FOUR = {0: 24.0, 1: 24.0, 2: 24.0, 3: 24.0}


@pytest.fixture(autouse=True)
def clones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCRNET_CLONES", str(tmp_path))


def given(*pools: str, group: int = 1, slots: int = 1) -> argparse.Namespace:
    return argparse.Namespace(pool=list(pools), group=group, slots=slots, name="box")


def test_a_gpu_pool_has_a_worker_per_gpu_that_sees_its_own() -> None:
    assert plan(NEEDS, FOUR, given("gpu")) == [Slot("gpu", f"box-gpu-{i}", (i,)) for i in range(4)]


def test_a_group_of_gpus_is_one_worker_and_a_rest_too_small_for_one_is_none() -> None:
    three = {0: 24.0, 2: 24.0, 5: 24.0}
    assert plan(NEEDS, three, given("gpu", group=2)) == [Slot("gpu", "box-gpu-0-2", (0, 2))]


def test_runs_that_wait_share_a_worker_and_see_no_gpu() -> None:
    (slot,) = plan(NEEDS, FOUR, given("pipelines"))
    assert slot.gpus == ()
    assert slot.limit > 1


def test_a_machine_that_lacks_what_a_named_pool_requires_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"pool gpu.*found 8 GiB of memory on each GPU.*requires 16"
    ):
        plan(NEEDS, {0: 8.0}, given("gpu"))
    with pytest.raises(DataError, match="found 0 GPUs, the pool requires 1"):
        plan(NEEDS, {}, given("gpu"))
    assert [slot.pool for slot in plan(NEEDS, {}, given())] == [
        "pipelines"
    ]  # not asked for by name


def test_every_gpu_of_a_pool_must_meet_the_requirement() -> None:
    with pytest.raises(DataError, match="found 8 GiB"):
        plan(NEEDS, {0: 24.0, 1: 8.0}, given("gpu"))


def test_a_pool_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ParamsError, match=r"--pool tpu: .*pipelines, gpu.*pipelines\.deploy"):
        plan(NEEDS, FOUR, given("tpu"))


def test_requirements_are_read_by_name() -> None:
    assert parse_needs("gpu:gpus=2,gpu_memory_gib=16") == (
        "gpu",
        {"gpus": 2.0, "gpu_memory_gib": 16.0},
    )
    assert parse_needs("cpu") == ("cpu", {})
    with pytest.raises(ValueError, match="'vram' is not one of gpus"):
        parse_needs("gpu:vram=3")


def test_a_requirement_that_this_machine_meets_is_no_line(tmp_path: Path) -> None:
    assert lacks({"cpus": 1.0, "memory_gib": 0.1}, [], str(tmp_path)) == []
    (line,) = lacks({"cpus": 1e6}, [], str(tmp_path))
    assert "the pool requires 1e+06" in line


def test_gpus_are_named_by_indices() -> None:
    with pytest.raises(ParamsError, match=r"'first'.*all, or indices"):
        usable_gpus("first")
    with pytest.raises(ParamsError, match="this machine has"):
        usable_gpus("977")
