"""Sets of params: going to another and back leaves `params.yaml` as it was."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ocrnet.config.params_file import known_keys, load_params
from ocrnet.errors import ParamsError
from ocrnet.preflight.names import check_component_names
from pipelines._edit_params import leaves_of
from pipelines.activate import SETS, activate_set, kept_keys, main

from .fresh_params import reset_params

SHIPPED = ("camvid", "demo", "folder", "nuclei")  # beside those that a user adds


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return reset_params(Path(shutil.copy("params.yaml", tmp_path / "params.yaml")))


def test_all_sets_of_the_project_name_the_same_keys() -> None:
    keys = [list(YAML().load(SETS / f"{name}.yaml")) for name in SHIPPED]
    assert all(names == keys[0] for names in keys)


@pytest.mark.parametrize("path", sorted(SETS.iterdir()), ids=lambda path: path.name)
def test_each_set_names_keys_that_there_are(path: Path) -> None:
    known = known_keys()
    for key in leaves_of(YAML(typ="safe").load(path), place=path.name):
        section, _, leaf = key.rpartition(".")
        assert leaf in known[section], key


def test_a_set_with_a_name_of_earlier_versions_is_told_the_new_one(
    params: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text("select.near_copy: 0.5\n")
    words = r"mine\.yaml: select\.near_copy: is now named select\.near_duplicate"
    with pytest.raises(ParamsError, match=words):
        activate_set("mine", params=params, sets=tmp_path)


def test_params_of_an_earlier_version_are_told_the_new_name_of_a_key(
    params: Path, tmp_path: Path
) -> None:
    params.write_text(params.read_text().replace("near_duplicate:", "near_copy:"))
    for key in ("select.near_duplicate", "train.lr"):
        (tmp_path / "mine.yaml").write_text(f"{key}: 0.5\n")
        with pytest.raises(ParamsError, match=r"select\.near_copy.* is now named select\.near_dup"):
            activate_set("mine", params=params, sets=tmp_path)


def test_where_the_committed_file_is_of_the_demo_it_says_so_throughout(tmp_path: Path) -> None:
    """Numbers such as steps may be tried in `params.yaml` itself."""
    params = Path(shutil.copy("params.yaml", tmp_path / "params.yaml"))
    if load_params(params).data.source != "demo":
        pytest.skip("another set is in force")
    changed = activate_set("demo", params=params)
    assert [key for key in changed if key.startswith(("data.", "publish."))] == []


def test_there_and_back_gives_the_same_values_and_keeps_the_comments(params: Path) -> None:
    before = load_params(params)
    assert "data.source" in activate_set("camvid", params=params)
    there = load_params(params)
    assert there.data.source == "camvid"
    assert there.data.label_map == {11: "ignore"}
    assert there.train.lr == before.train.lr
    activate_set("demo", params=params)
    assert load_params(params) == before
    assert "# the recipe of train and retrain" in params.read_text()


def test_a_key_that_one_set_alone_names_stays_when_another_is_put_in_force(
    params: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text("publish.model_name: mine\ntrain.power: 0.125\n")
    activate_set("mine", params=params, sets=tmp_path)
    activate_set("demo", params=params)
    found = load_params(params)
    assert (found.publish.model_name, found.train.power) == ("ocrnet-demo", 0.125)


def test_keys_that_keep_the_values_of_the_set_before_are_told(params: Path, tmp_path: Path) -> None:
    sets = tmp_path / "sets"
    sets.mkdir()
    (sets / "mine.yaml").write_text("publish.model_name: mine\ntrain: {lr: 0.125, power: 0.5}\n")
    (sets / "other.yaml").write_text("publish.model_name: other\ntrain.lr: 0.25\n")
    (sets / "torn.yaml").write_text("train: {\n")
    assert kept_keys("other", params=params, sets=sets) == {}  # mine was never active
    activate_set("mine", params=params, sets=sets)
    assert kept_keys("other", params=params, sets=sets) == {"mine": ["train.power"]}
    assert kept_keys("mine", params=params, sets=sets) == {}
    activate_set("other", params=params, sets=sets)
    assert kept_keys("mine", params=params, sets=sets) == {}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_set_of_the_project_is_valid(params: Path, name: str) -> None:
    activate_set(name, params=params)
    check_component_names(load_params(params))


def test_an_unknown_set_is_named_with_the_known_ones(params: Path, tmp_path: Path) -> None:
    sets = tmp_path / "sets"
    sets.mkdir()
    for name in ("mine", "demo"):
        (sets / f"{name}.yaml").write_text("train.lr: 0.5\n")
    with pytest.raises(
        ParamsError, match=r"no set 'mein'\. Did you mean 'mine'\? Known: demo, mine\."
    ):
        activate_set("mein", params=params, sets=sets)


def test_the_command_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    told = capsys.readouterr().out
    assert "usage: python -m pipelines.activate [-h] [SET]" in told
    assert "camvid" in told
    for wrong, words in (
        ([], "name one set: python -m pipelines.activate SET. Known: "),
        (
            ["demo", "camvid"],
            "unrecognized arguments: camvid. See: python -m pipelines.activate --help",
        ),
        (["camvidd"], "params: no set 'camvidd'. Did you mean 'camvid'? Known: "),
    ):
        assert main(wrong) == 2
        assert capsys.readouterr().err.startswith(f"activate: {words}")


def test_a_key_that_params_lack_is_refused_and_nothing_is_written(
    params: Path, tmp_path: Path
) -> None:
    before = params.read_text()
    (tmp_path / "mine.yaml").write_text("train.lr: 0.5\ntrain.lrr: 0.5\n")
    with pytest.raises(ParamsError, match=r"mine\.yaml: train\.lrr: params\.yaml has no such key"):
        activate_set("mine", params=params, sets=tmp_path)
    assert params.read_text() == before


def test_a_set_that_makes_params_invalid_is_refused(params: Path, tmp_path: Path) -> None:
    before = params.read_text()
    (tmp_path / "mine.yaml").write_text("train.lr: -0.5\n")
    with pytest.raises(ParamsError, match=r"train\.lr: found -0\.5"):
        activate_set("mine", params=params, sets=tmp_path)
    assert params.read_text() == before


def test_a_set_in_blocks_is_merged_key_by_key(params: Path, tmp_path: Path) -> None:
    before, lines = load_params(params), params.read_text().splitlines()
    (tmp_path / "mine.yaml").write_text(
        "train_gan: {steps: 6}\ntrain:\n  lr: 0.125  # mine\ntrain.power: 0.5\ndata: {label_map: {9: ignore}}\n"
    )
    changed = activate_set("mine", params=params, sets=tmp_path)
    assert changed == ["train_gan.steps", "train.lr", "train.power", "data.label_map"]
    after = load_params(params)
    assert (after.train_gan.steps, after.train.lr, after.train.power) == (6, 0.125, 0.5)
    assert after.data.label_map == {9: "ignore"}
    gan = before.train_gan.model_copy(update={"steps": 6})
    assert after.train_gan == gan
    differing = [
        new for old, new in zip(lines, params.read_text().splitlines(), strict=True) if new != old
    ]
    assert len(differing) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train:\n\tlr: 0.5\n", "not YAML: .*with spaces"),
        ("", "is empty. Write keys such as train.steps"),
        ("# nothing yet\n", "is empty"),
        ("train:\n", "train: found None, but train is a section"),
        ("train: 5\n", "train: found 5, but train is a section"),
        ("train: {lr: 0.5}\ntrain.lr: 0.25\n", "train.lr: found this key twice"),
        ("- train.lr\n", "found no keys"),
        ("5: 6\n", "5: params.yaml has no such key"),
        ("train: {epochs: 5}\n", "train.epochs: .*Write train.steps"),
        ("trian.lr: 0.5\n", "trian.lr: .*Did you mean 'train'"),
        ("train.lr: 0.5\ntrain.lr: 0.25\n", "not YAML: "),
    ],
)
def test_a_set_that_cannot_be_read_is_one_line_and_changes_nothing(
    params: Path, tmp_path: Path, text: str, words: str
) -> None:
    before = params.read_bytes()
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ParamsError, match=words) as caught:
        activate_set("mine", params=params, sets=tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    assert params.read_bytes() == before


def test_a_set_in_another_encoding_is_one_line(params: Path, tmp_path: Path) -> None:
    before = params.read_bytes()
    (tmp_path / "mine.yaml").write_bytes("publish.model_name: Prüfling\n".encode("latin-1"))
    with pytest.raises(ParamsError, match=r"mine\.yaml: .*not "):
        activate_set("mine", params=params, sets=tmp_path)
    assert params.read_bytes() == before
