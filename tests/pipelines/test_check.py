"""The check of `params.yaml` before DVC reads it."""

from pathlib import Path

import pytest

from ocrnet.errors import ParamsError
from pipelines.check import check
from tests.base_params import write_params


def test_a_label_map_that_dvc_cannot_sort_is_told_with_its_cure(tmp_path: Path) -> None:
    """DVC sorts the keys of a mapping when it compares params, and stops with an error of its own."""
    params = tmp_path / "params.yaml"
    data = {"source": "folder", "path": str(tmp_path), "classes": ["plate", "cell"]}
    write_params(params, {"data": {**data, "label_map": {0: "plate", "other": "cell"}}})
    with pytest.raises(ParamsError, match=r'in quotes: \{"0": plate, "other": cell\}'):
        check(params)
    write_params(params, {"data": {**data, "label_map": {"0": "plate", "other": "cell"}}})
    assert check(params).data.label_map == {"0": "plate", "other": "cell"}
