"""Exports of a registered version are kept with it, in a real store of MLflow."""

import json
from pathlib import Path

import pytest
import torch
from mlflow.artifacts import download_artifacts

from ocrnet.data.manifest import file_sha256
from pipelines.cli.app import main

from .registered import BETTER, MODEL, Registry

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_a_version_keeps_its_export_with_its_hash(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # of all later tests
    address = f"models:/{MODEL}/{BETTER}"
    before = registry.tags(BETTER)
    given = ("export", address, "-o", "part.onnx", "--size", "64", "64")
    assert main([*given, "--no-register"]) == 0
    assert registry.tags(BETTER) == before
    assert main(given) == 0
    told = capsys.readouterr().out
    tags = registry.tags(BETTER)
    (name,) = set(tags) - set(before)
    assert name == "export.onnx_64x64"
    facts = json.loads(tags[name])
    assert facts["artifact"] in told
    assert facts["sha256"] == file_sha256(Path("part.onnx"))
    kept = Path(download_artifacts(facts["artifact"], dst_path="kept"))
    assert kept.read_bytes() == Path("part.onnx").read_bytes()
    record = json.loads(Path("part.onnx.json").read_text())
    assert record["card"]["source"] == address
    assert record["card"]["weights_sha256"] == tags["weights_sha256"]
    assert record["agreement"]["is_good"] is True
