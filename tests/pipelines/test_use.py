"""Sets of params: going to another and back leaves `params.yaml` as it was."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ocrnet.errors import ParamsError
from ocrnet.names import check_component_names
from ocrnet.params_file import load_params
from pipelines.use import SETS, main, use_set

from .fresh_params import reset_params

SHIPPED = ("camvid", "demo", "folder")  # beside those that a user adds


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return reset_params(Path(shutil.copy("params.yaml", tmp_path / "params.yaml")))


def test_all_sets_of_the_project_name_the_same_keys() -> None:
    keys = [list(YAML().load(SETS / f"{name}.yaml")) for name in SHIPPED]
    assert all(names == keys[0] for names in keys)


def test_where_the_committed_file_is_of_the_demo_it_says_so_throughout(tmp_path: Path) -> None:
    """Numbers such as steps may be tried in `params.yaml` itself."""
    params = Path(shutil.copy("params.yaml", tmp_path / "params.yaml"))
    if load_params(params).data.source != "demo":
        pytest.skip("another set is in force")
    changed = use_set("demo", params=params)
    assert [key for key in changed if key.startswith(("data.", "publish."))] == []


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


def test_a_key_that_one_set_alone_names_stays_when_another_is_put_in_force(
    params: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text("publish.model_name: mine\ntrain.lr: 0.125\n")
    use_set("mine", params=params, sets=tmp_path)
    use_set("demo", params=params)
    found = load_params(params)
    assert (found.publish.model_name, found.train.lr) == ("ocrnet-demo", 0.125)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_set_of_the_project_is_valid(params: Path, name: str) -> None:
    use_set(name, params=params)
    check_component_names(load_params(params))


def test_an_unknown_set_is_named_with_the_known_ones(params: Path, tmp_path: Path) -> None:
    sets = tmp_path / "sets"
    sets.mkdir()
    for name in ("mine", "demo"):
        (sets / f"{name}.yaml").write_text("train.lr: 0.5\n")
    with pytest.raises(ParamsError, match=r"no set 'mein'\. Known: demo, mine\."):
        use_set("mein", params=params, sets=sets)


def test_the_command_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    told = capsys.readouterr().out
    assert "usage: python -m pipelines.use [-h] [SET]" in told
    assert "camvid" in told
    for wrong, words in (
        ([], "name one set: python -m pipelines.use SET. Known: "),
        (["demo", "camvid"], "unrecognized arguments: camvid. See: python -m pipelines.use --help"),
        (["camvidd"], "params: no set 'camvidd'. Known: "),
    ):
        assert main(wrong) == 2
        assert capsys.readouterr().err.startswith(f"use: {words}")


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
