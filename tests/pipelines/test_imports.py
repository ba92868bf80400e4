"""A stage pays only for what it uses: heavy modules stay out of processes that do not need them."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "torchvision", "timm", "mlflow", "prefect", "great_expectations", "dvc"}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("ocrnet", set()),
        ("ocrnet.config", set()),
        ("ocrnet.preflight.names", set()),
        ("ocrnet.raw.scan", set()),
        ("ocrnet.raw.prepare", set()),
        ("ocrnet.models", set()),
        ("pipelines.validate", set()),
        ("pipelines.prepare", set()),
        ("pipelines.train", set()),
        ("pipelines.train_fold", set()),
        ("pipelines.train_gan", set()),
        ("pipelines.synthesize", set()),
        ("pipelines.select", set()),
        ("pipelines.pseudo_label", set()),
        ("pipelines.retrain", set()),
        ("pipelines.evaluate", set()),
        ("pipelines.publish", set()),
        ("pipelines.follow", set()),
        ("pipelines.activate", set()),
        ("pipelines.show", set()),
        ("pipelines.fetch_run", set()),
        ("pipelines.score", set()),
        ("pipelines.lr_range", set()),
        ("pipelines.promote", set()),
        ("pipelines.rollback", set()),
        ("pipelines.ledger", set()),
        ("ocrnet.gate.gate", set()),
        ("pipelines.rebuild", set()),
        ("pipelines._search.search", set()),
        ("pipelines._serve.server", set()),
    ],
)
def test_importing_a_module_loads_no_heavy_one(module: str, allowed: set[str]) -> None:
    """Stages import what they need inside their function, so that a wrong argument is told at once."""
    script = f"import sys, {module}; print(*({HEAVY!r} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(loaded) <= allowed
