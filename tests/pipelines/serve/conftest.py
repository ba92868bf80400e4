"""A server with two models for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ocrnet.predict_files.bundles import write_varied_bundle

from .served import Server, served


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve") / "bundles"
    for seed in (1, 2):
        write_varied_bundle(folder / str(seed), seed=seed)
    return folder


@pytest.fixture(scope="module")
def server(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of both models that takes files of up to 1 MiB."""
    models = ["--model", str(bundles / "1"), "--model", str(bundles / "2")]
    with served(tmp_path_factory.mktemp("server"), *models, "--max-mib", "1") as found:
        yield found
