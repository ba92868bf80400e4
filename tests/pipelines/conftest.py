"""The registry of the gate's tests, published once and copied for each test."""

from pathlib import Path

import pytest

from .registered import Registry, copy_registry, publish_versions


@pytest.fixture(scope="session")
def published_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_versions(tmp_path_factory)


@pytest.fixture
def registry(published_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    registry = copy_registry(published_versions, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.workspace.uri)
    for name in ("PREFECT__FLOW_RUN_ID", "PREFECT_FLOW_RUN_ID", "MLFLOW_TRACKING_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    return registry
