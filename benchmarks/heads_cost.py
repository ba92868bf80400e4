"""What a training step of each architecture costs, for `benchmarks.heads`."""

import json
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.study import Variant
from ocrnet.data.files import write_whole

logger = logging.getLogger("benchmarks")
ENDLESS = {
    "steps": 10**9,
    "val_interval": 10**9,
    "log_interval": 10**9,
    "workers": 0,
    "processes": 1,
}


def measure_cost(variants: Sequence[Variant], path: Path, *, rounds: int) -> None:
    """Write the parameters of each variant's model and its costs over those of the first one, unless they are there.

    The steps of all alternate in this process, so that other work on the machine slows all alike.
    """
    folders = {variant.name: variant.folder.name for variant in variants}
    known = json.loads(path.read_text()) if path.exists() else {}
    if {name: values["folder"] for name, values in known.items()} == folders:
        return
    from benchmarks.measure import compare
    from ocrnet.runtime import pick_device
    from ocrnet.training.data import TrainingData
    from ocrnet.training.step import SegmenterTrainer

    ways: dict[str, Any] = {}
    parameters = {}
    for variant in variants:
        train = variant.params.train.model_copy(update=ENDLESS)
        params = variant.params.model_copy(update={"train": train})
        data, seed = TrainingData.read(variant.data / "prepare"), params.seeds[0]
        trainer = SegmenterTrainer(params, data, seed=seed)
        ways[variant.name] = partial(trainer.step, 0, next(data.batches(params, seed=seed)))
        parameters[variant.name] = sum(weight.numel() for weight in trainer.model.parameters())
    ratios = compare(ways, rounds=rounds, device=pick_device())
    costs = {
        name: {**ratio._asdict(), "parameters": parameters[name], "folder": folders[name]}
        for name, ratio in ratios.items()
    }
    write_whole(path, json.dumps(costs, indent=1) + "\n")
    logger.info("time of a step: %s", ", ".join(f"{a} {r.time:.2f}" for a, r in ratios.items()))
