"""`dvc.yaml` names all that a stage is a function of: its code and its params."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import grimp
import pytest
from ruamel.yaml import YAML

from ocrnet.config import Params
from ocrnet.config.params_file import load_params
from pipelines._stage.dependencies import read_node, read_order

# They steer how a stage runs and not what comes out of it, so no stage depends on them.
QUIET = {
    "train.workers",
    "train.checkpoint_interval",
    "train_gan.checkpoint_interval",
    "publish.live",
}
GRAPH: dict[str, Any] = YAML(typ="safe").load(Path("dvc.yaml"))
STAGES: dict[str, dict[str, Any]] = GRAPH["stages"]

# Without a cache, which may be older than the code.
IMPORTS = grimp.build_graph(
    "ocrnet", "pipelines", cache_dir=None, exclude_type_checking_imports=True
)


# Components that a stage finds in a table and does not load: it reads their names alone.
ONLY_READ: dict[str, tuple[str, ...]] = {
    "validate": ("ocrnet.losses", "ocrnet.gan"),
    "prepare": ("ocrnet.gan",),
    "train_gan": ("ocrnet.gan.layouts",),
    "synthesize": ("ocrnet.gan.training",),
    "select": ("ocrnet.gan.training", "ocrnet.gan.layouts"),
}


def code_of(stage: str) -> set[str]:
    """Return the files that a stage's module imports, itself and what is loaded by a table's import path included."""
    modules = IMPORTS.find_upstream_modules(f"pipelines.{stage}") | {f"pipelines.{stage}"}
    for table in modules:
        for named in re.findall(r'"(ocrnet[\w.]+):\w+"', source_of(table).read_text()):
            if named.startswith(ONLY_READ.get(stage, ())):
                continue
            modules = modules | IMPORTS.find_upstream_modules(named) | {named}
    return {source_of(module).as_posix() for module in modules}


def source_of(module: str) -> Path:
    base = Path(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def covered(file: str, deps: list[str]) -> bool:
    return any(file == dep or file.startswith(dep + "/") for dep in deps)


def test_the_stages_are_those_of_the_design_in_flow_order() -> None:
    assert list(STAGES) == [
        "validate", "prepare", "train", "train_fold", "train_gan", "synthesize", "select",
        "pseudo_label", "retrain", "evaluate", "publish",
    ]  # fmt: skip


def test_git_ignores_the_output_of_every_stage_and_make_clean_deletes_it() -> None:
    """DVC would write a missing line itself, and each run would be one of uncommitted changes."""
    stages = [stage for stage in STAGES if stage != "publish"]
    # `evaluate` depends on the folder of the folds, also where there is none: a file in it stays.
    entries = {"train_fold": "train_fold/*"}
    ignored = Path("data/.gitignore").read_text().splitlines()
    assert [stage for stage in stages if f"/{entries.get(stage, stage)}" not in ignored] == []
    (cleaned,) = re.findall(r"rm -rf data/{(.*)}", Path("Makefile").read_text())
    assert cleaned.split(",") == [f"{entries[s]}/" if s in entries else s for s in stages]


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_all_code_that_the_stage_imports(stage: str) -> None:
    deps = STAGES[stage]["deps"]
    missing = sorted(
        file for file in code_of(stage) if not covered(file, deps) and not only_docstring(file)
    )
    assert not missing


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_no_code_that_the_stage_does_not_import(stage: str) -> None:
    files = code_of(stage) | templates()
    code = [dep for dep in STAGES[stage]["deps"] if dep.startswith(("ocrnet/", "pipelines/"))]
    assert [dep for dep in code if not any(covered(file, [dep]) for file in files)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_names_at_most_twenty_places_of_code(stage: str) -> None:
    assert (
        len([dep for dep in STAGES[stage]["deps"] if dep.startswith(("ocrnet/", "pipelines/"))])
        <= 20
    )


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_one_word_a_sentence_and_a_pool(stage: str) -> None:
    entry = STAGES[stage]
    assert entry["cmd"].split()[:3] == ["python", "-m", f"pipelines.{stage}"]
    assert entry["desc"].endswith(".")
    assert entry["meta"]["pool"] in ("cpu", "gpu")
    outs = entry.get("outs", [])
    assert all(isinstance(out, str) for out in outs), "no cache: false, no persist: true"
    assert all(out == f"data/{stage}" or out.startswith(f"data/{stage}/") for out in outs)


def test_every_key_of_params_is_named_by_a_stage_and_none_besides() -> None:
    leaves = set(leaf_keys())
    named = set().union(*(named_keys(stage) for stage in STAGES))
    assert named <= leaves
    outside = {key for key in leaves if key.startswith(("promote.", "checkpoints."))}  # the graph
    assert leaves - named == QUIET | outside | {"data.num_classes"} & leaves


@pytest.mark.parametrize("stage", [name for name in STAGES if name not in ("validate", "publish")])
def test_params_name_all_keys_of_the_section_of_the_stage(stage: str) -> None:
    section = "train" if stage in ("retrain", "train_fold") else stage
    named = named_keys(stage)
    own = {key for key in leaf_keys() if key.startswith(section + ".")} - QUIET
    assert own <= named


def named_keys(stage: str) -> set[str]:
    """Return the leaf keys that a stage depends on; a section stands for all of its keys."""
    keys = set()
    for name in read_node(stage).params:
        keys |= {key for key in leaf_keys() if key.startswith(name + ".")} or {name}
    return keys


def leaf_keys() -> list[str]:
    """Return the dotted leaf keys of `params.yaml`."""
    document = YAML(typ="safe").load(Path(__file__).parents[2] / "params.yaml")
    sections = {field.alias or name for name, field in Params.model_fields.items()}
    assert set(document) == sections
    keys = []
    for section, value in document.items():
        keys += [f"{section}.{key}" for key in value] if isinstance(value, dict) else [section]
    return keys


def only_docstring(file: str) -> bool:
    text = Path(file).read_text()
    return (
        file.endswith("__init__.py")
        and re.fullmatch(r'\s*(""".*?""")?\s*', text, re.DOTALL) is not None
    )


def templates() -> set[str]:
    return {
        path.as_posix()
        for path in Path("ocrnet").rglob("*")
        if path.suffix in (".j2", ".html", ".css")
    }


def test_stages_are_counted_in_the_order_in_which_dvc_runs_them() -> None:
    code = (
        "from dvc.repo import Repo; from dvc.repo.reproduce import plan_repro; "
        "print(*[stage.addressing for stage in plan_repro(Repo().index.graph)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    params = load_params(Path("params.yaml")).model_dump(mode="json", by_alias=True)
    assert read_order(params) == done.stdout.split()
