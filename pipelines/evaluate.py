"""Stage `evaluate`: score every model on the test split, compare, report, name the challenger."""

import sys
from functools import partial
from pathlib import Path

from ocrnet.config import Params
from pipelines._stage import Stage, run_stage


def evaluate(stage: Stage) -> None:
    """Score, compare and report."""
    recorder = stage.start_record()
    from ocrnet.ensemble import load_segmenters
    from ocrnet.evaluate import evaluate as evaluate_models
    from ocrnet.protocol import Protocol
    from ocrnet.report import write_report
    from ocrnet.runtime import pick_device

    data = Path("data")
    protocol = Protocol.of(stage.params.evaluate)
    load = partial(load_segmenters, device=str(pick_device()), protocol=protocol)
    evaluate_models(data, stage.out, params=stage.params, load=load, recorder=recorder)
    write_report(data)


def _inputs(params: Params, cell: tuple[str, ...]) -> list[Path]:
    data = Path("data")
    baselines = [data / "train" / str(seed) for seed in params.seeds]
    retrained = [
        data / "retrain" / f"{arm}-{seed}" for arm in params.retrain.arms for seed in params.seeds
    ]
    return [data / "prepare", *baselines, *retrained]


if __name__ == "__main__":
    sys.exit(
        run_stage(evaluate, "evaluate", uses=("seeds", "retrain.arms", "evaluate"), inputs=_inputs)
    )
