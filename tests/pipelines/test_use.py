"""Sets of params: going to another and back leaves `params.yaml` as it was."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ocrnet.errors import ParamsError
from ocrnet.names import check_component_names
from ocrnet.params_file import load_params
from pipelines.use import SETS, use_set


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return Path(shutil.copy("params.yaml", tmp_path / "params.yaml"))


def test_all_sets_name_the_same_keys() -> None:
    keys = {path.stem: list(YAML().load(path)) for path in SETS.glob("*.yaml")}
    assert {"demo", "camvid", "folder"} <= set(keys)
    assert all(names == keys["demo"] for names in keys.values())


def test_the_committed_file_has_the_demo_set_in_force(params: Path) -> None:
    assert use_set("demo", params=params) == []


def test_there_and_back_gives_the_same_values_and_keeps_the_comments(params: Path) -> None:
    before = load_params(params)
    assert "data.source" in use_set("camvid", params=params)
    there = load_params(params)
    assert there.data.source == "camvid"
    assert there.data.label_map == {11: "ignore"}
    assert there.train.lr == before.train.lr
    use_set("demo", params=params)
    assert load_params(params) == before
    assert "# the recipe of train and retrain" in params.read_text()


@pytest.mark.parametrize("name", sorted(path.stem for path in SETS.glob("*.yaml")))
def test_every_set_is_valid(params: Path, name: str) -> None:
    use_set(name, params=params)
    check_component_names(load_params(params))


def test_an_unknown_set_is_named_with_the_known_ones(params: Path) -> None:
    with pytest.raises(ParamsError, match=r"no set 'camvidd'\. Known: camvid, demo, folder"):
        use_set("camvidd", params=params)


def test_a_key_that_params_lack_is_refused_and_nothing_is_written(
    params: Path, tmp_path: Path
) -> None:
    before = params.read_text()
    (tmp_path / "mine.yaml").write_text("train.lr: 0.5\ntrain.lrr: 0.5\n")
    with pytest.raises(ParamsError, match=r"mine\.yaml: train\.lrr: params\.yaml has no such key"):
        use_set("mine", params=params, sets=tmp_path)
    assert params.read_text() == before


def test_a_set_that_makes_params_invalid_is_refused(params: Path, tmp_path: Path) -> None:
    before = params.read_text()
    (tmp_path / "mine.yaml").write_text("train.lr: -0.5\n")
    with pytest.raises(ParamsError, match=r"train\.lr: found -0\.5"):
        use_set("mine", params=params, sets=tmp_path)
    assert params.read_text() == before
