"""Models and images for `ocrnet predict`."""

from pathlib import Path

import pytest
from PIL import Image

from tests.ocrnet.predict_files.bundles import write_varied_bundle
from tests.ocrnet.raw.raw_sets import noise

from .command import FILES, SIZE


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    for seed in (1, 2):
        write_varied_bundle(folder / str(seed), seed=seed)
    return folder


@pytest.fixture
def photos(bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three images and a damaged one; the folder above them is the working folder."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(FILES):
        path = Path("photos", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(seed, (*SIZE, 3))).save(path)
    Path("photos/bad.png").write_bytes(b"no picture")
    return bundles / "1"
