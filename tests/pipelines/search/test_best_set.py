"""The set that a search writes."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ocrnet.config.params_file import load_params
from ocrnet.errors import ParamsError
from pipelines._search.best_set import require_free, write_best_set
from pipelines._search.results import COMPLETE, Result, Summary
from pipelines.activate import activate_set
from tests.base_params import write_params

ROOT = Path(__file__).parents[3]
BEST = Result(3, COMPLETE, {"train.lr": 0.00125, "train.weight_decay": 0.02}, 0.5)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with params and sets, the set of CamVid in force, which is the working folder."""
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path / "params.yaml", {})
    shutil.copytree(ROOT / "params", tmp_path / "params")
    activate_set("camvid")
    return tmp_path


def write_set(name: str) -> Path:
    target = Path("params", f"{name}.yaml")
    ranges = {"train.lr": "1e-4..1e-2", "train.weight_decay": "0.001..0.1"}
    start = Result(0, COMPLETE, {"train.lr": 0.001, "train.weight_decay": 0.01}, 0.4)
    summary = Summary(name, "f00", ranges, (0, 1), [start, BEST], 0)
    write_best_set(target, summary, BEST, params=Path("params.yaml"), written=Path("written"))
    return target


def test_activating_it_gives_the_active_params_with_the_best_values(checkout: Path) -> None:
    before = load_params(Path("params.yaml"))
    target = write_set("better")
    activate_set("demo")
    activate_set("better")
    after = load_params(Path("params.yaml"))
    best = before.train.model_copy(update={"lr": 0.00125, "weight_decay": 0.02})
    assert after == before.model_copy(update={"train": best})
    text = target.read_text()
    assert "trial 3, the best of 2, has the validation" in text
    assert "# Searched in 1e-4..1e-2; it was 0.003." in text


def test_it_names_every_key_that_another_set_names(checkout: Path) -> None:
    Path("params", "own.yaml").write_text("train.flip: true\n")
    keys = set(YAML(typ="safe").load(write_set("better")))
    for other in ("demo", "camvid", "own"):
        assert set(YAML(typ="safe").load(Path("params", f"{other}.yaml"))) <= keys


def test_only_a_file_that_the_search_wrote_is_replaced(checkout: Path) -> None:
    written = Path("written")
    camvid = Path("params/camvid.yaml")
    with pytest.raises(ParamsError, match=r"params/camvid\.yaml exists\. Choose another name with"):
        require_free(camvid, written=written, force=False)
    require_free(camvid, written=written, force=True)
    require_free(Path("params/better.yaml"), written=written, force=False)
    target = write_set("better")
    require_free(target, written=written, force=False)
    target.write_text(target.read_text() + "# mine\n")
    with pytest.raises(ParamsError, match="exists"):
        require_free(target, written=written, force=False)
