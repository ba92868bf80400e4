"""`params.yaml` states every key: one that is missing, or has its name of an earlier version, is refused by name."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ocrnet.config import Params
from ocrnet.config.params_file import known_keys, load_params, parse_params
from ocrnet.config.renamed import RENAMED
from ocrnet.errors import ParamsError
from tests.base_params import full_values

ROOT = Path(__file__).parents[3]
OPTIONAL = {"data.num_classes"}  # a cross-check of data.classes


def params_file() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(ROOT / "params.yaml")
    return found


def refused(values: dict[str, Any]) -> str:
    with pytest.raises(ParamsError) as caught:
        parse_params(values)
    (line,) = str(caught.value).splitlines()
    return line


def all_keys() -> set[str]:
    sections = known_keys()
    return {
        f"{section}.{key}" if section else key for section in sections for key in sections[section]
    }


def test_each_key_that_params_yaml_lacks_is_named_in_one_line() -> None:
    complete = params_file()
    for key in all_keys() - OPTIONAL:
        values = deepcopy(complete)
        section, _, leaf = key.rpartition(".")
        del (values[section] if section else values)[leaf]
        line = refused(values)
        assert line.startswith(f"params.yaml: {key} is missing. Add it; allowed is "), key
        assert not line.endswith("allowed is ."), key


def test_no_key_of_the_params_has_a_default() -> None:
    """A default could differ from the value that `params.yaml` states."""
    sections = {"": Params} | {
        field.alias or name: field.annotation
        for name, field in Params.model_fields.items()
        if name != "seeds"
    }
    optional = {
        f"{section}.{key}"
        for section, kind in sections.items()
        for key, field in getattr(kind, "model_fields", {}).items()
        if not field.is_required()
    }
    assert optional == OPTIONAL


def test_all_missing_keys_share_one_line() -> None:
    values = params_file()
    del values["train"]["lr"], values["evaluate"]["window"], values["publish"]["live"]
    assert refused(values) == (
        "params.yaml: train.lr, evaluate.window, publish.live are missing. Add them; allowed are "
        "train.lr: a number, above 0, at most 10; evaluate.window: a list of 2, or empty; "
        "publish.live: true or false."
    )


def test_an_empty_value_is_no_missing_key(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    values = full_values({"data": {"value_range": None}, "train_gan": {"max_seconds": None}})
    path.write_text(json.dumps(values))
    params = load_params(path)
    assert params.data.value_range is None
    assert params.train_gan.max_seconds is None


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_refused_with_the_new_one(old: str, new: str) -> None:
    values = params_file()
    (section, key), (new_section, new_key) = old.split("."), new.split(".")
    values[section][key] = values[new_section].pop(new_key)
    line = refused(values)
    assert line.startswith(f"params.yaml: {old}: is now named {new}. ")


def test_a_name_of_earlier_versions_is_none_of_today() -> None:
    assert not set(RENAMED) & all_keys()
    assert set(RENAMED.values()) <= all_keys()
