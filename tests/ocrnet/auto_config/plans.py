"""Facts and machines for the tests of the rules."""

from typing import Any

from ocrnet.auto_config.classes import ClassChoice
from ocrnet.auto_config.facts import DataFacts
from ocrnet.auto_config.machine import Machine
from ocrnet.auto_config.memory import StepMemory
from ocrnet.auto_config.rules import Plan

CPU = Machine(cores=2, memory_bytes=16 * 2**30)
GPU = Machine(cores=16, memory_bytes=24 * 2**30, gpu="Card")
CLASSES = ClassChoice(("background", "object"), {}, "auto", "Two classes.")


def facts_with(**values: Any) -> DataFacts:
    """Return facts of 100 images of 100 x 200 pixels; the values replace those."""
    usual: dict[str, Any] = {
        "source": "folder", "images": {"": 100}, "groups": None, "sizes": ((100, 200),) * 100,
        "shares": {"background": 0.9, "object": 0.1}, "sides": {"object": 20.0},
    }  # fmt: skip
    return DataFacts(**usual | values)


def plan_with(machine: Machine = CPU, **values: Any) -> Plan:
    """Return a plan for facts on a machine."""
    return Plan("mine", "data/raw/mine", facts_with(**values), CLASSES, machine)


def memory_of(values: dict[str, object]) -> StepMemory:
    """Return a memory of 1 KiB a pixel of the crop and no weights."""
    crop = values["data.crop_size"]
    assert isinstance(crop, list)
    return StepMemory(fixed_bytes=0, image_bytes=1024 * crop[0] * crop[1])
