"""Stage `evaluate`: score every model on the test split, compare, report, name the challenger."""

import sys
from functools import partial
from pathlib import Path

from pipelines._stage.stage import Stage, run_stage


def evaluate(stage: Stage) -> None:
    """Score, compare and report."""
    recorder = stage.start_record()
    from ocrnet.evaluation.evaluate import evaluate as evaluate_models
    from ocrnet.inference.ensemble import load_segmenters
    from ocrnet.inference.scoring_protocol import ScoringProtocol
    from ocrnet.report import write_report
    from ocrnet.runtime import pick_device

    data = Path("data")
    protocol = ScoringProtocol.of(stage.params.evaluate)
    load = partial(load_segmenters, device=str(pick_device()), protocol=protocol)
    evaluate_models(data, stage.out, params=stage.params, load=load, recorder=recorder)
    write_report(data)


if __name__ == "__main__":
    sys.exit(run_stage(evaluate, "evaluate"))
