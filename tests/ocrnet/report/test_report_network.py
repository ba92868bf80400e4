"""The report tells the size of the network, and stays silent where the models have no card."""

from pathlib import Path

from ocrnet.bundles.bundle import build_model, read_card
from ocrnet.report.network import network_words
from tests.ocrnet.predict_files.bundles import write_varied_bundle

SCORES = {"models": [{"arm": "train", "seed": 0}]}


def test_parameters_of_the_first_model_are_told(tmp_path: Path) -> None:
    assert network_words(tmp_path, SCORES) == ""
    folder = write_varied_bundle(tmp_path / "train/0", seed=1)
    count = sum(value.numel() for value in build_model(read_card(folder)).parameters())
    words = network_words(tmp_path, SCORES)
    assert f"{count / 1e6:.2f} million parameters" in words
    assert words.startswith("Network: ocrnet with mobilenetv3_small_050, ")
    assert network_words(tmp_path, SCORES) == words
