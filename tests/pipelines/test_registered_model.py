"""Models by their names in a real registry: aliases and addresses lead to the weights of the version."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ocrnet
from ocrnet.data.decode import read_label_map
from ocrnet.errors import DataError, ParamsError, StoreError
from pipelines._mlflow.registered_model import registered_bundle, split_reference
from pipelines.cli.app import main

from .registered import BEST, BETTER, ELSEWHERE, MODEL, Registry, write_bundle

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
IMAGE = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)


@pytest.fixture
def champion(registry: Registry) -> Registry:
    """Return a registry with a champion that is not the challenger."""
    from mlflow import MlflowClient

    MlflowClient(registry.workspace.uri).set_registered_model_alias(MODEL, "champion", BETTER)
    return registry


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("champion", BETTER),
        ("challenger", ELSEWHERE),  # the one published last
        (f"models:/{MODEL}/{BEST}", BEST),
        (f"models:/{MODEL}@champion", BETTER),
        (f"models:/{MODEL}/champion", BETTER),
    ],
)
def test_a_name_leads_to_the_weights_of_its_version(
    champion: Registry, reference: str, version: str
) -> None:
    found = ocrnet.load(reference, device="cpu")
    assert found.name == f"models:/{MODEL}/{version}"
    assert found.segmenter.weights_sha256 == champion.tags(version)["weights_sha256"]


def test_predict_takes_the_champion_by_default(
    champion: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(IMAGE).save("part.png")
    assert main(["predict", "part.png", "-o", "out", "--device", "cpu"]) == 0
    assert f"by models:/{MODEL}/{BETTER}" in capsys.readouterr().out
    write_bundle(tmp_path / "bundle", seed=int(BETTER))
    expected = ocrnet.load(tmp_path / "bundle", device="cpu").predict(IMAGE)
    assert np.array_equal(read_label_map(Path("out/label_maps/part.png")), expected)
    # The same weights by another name are the same model.
    address = f"models:/{MODEL}/{BETTER}"
    assert main(["predict", "part.png", "-o", "out", "--device", "cpu", "--model", address]) == 0
    assert "1 done before" in capsys.readouterr().out


def test_a_version_that_is_not_there_is_one_line(registry: Registry) -> None:
    for reference, words in (
        ("champion", "no version with the alias 'champion'"),
        (f"models:/{MODEL}/77", "no version 77"),
        ("models:/nobody/1", "no version 1"),
    ):
        with pytest.raises(DataError, match=words), registered_bundle(reference):
            pass


def test_a_store_that_is_not_there_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    with pytest.raises(StoreError, match="no such store"), registered_bundle("models:/a/1"):
        pass
    (tmp_path / "mlflow.db").write_bytes(b"a text file, long enough for a header")
    with pytest.raises(StoreError, match="not a database"), registered_bundle("models:/a/1"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize(
    "reference", ["models:/", "models:/a", "models:/a/b/c", "models:/../1", "models:/a@", "models:/a/--x"]
)  # fmt: skip
def test_an_address_of_another_form_is_refused(reference: str) -> None:
    with pytest.raises(ParamsError, match="--model: found"):
        split_reference(reference)
