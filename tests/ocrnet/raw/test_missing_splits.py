"""Splits that a published set lacks are drawn from its training images, by group, and nothing else moves."""

from typing import Any

import pandas as pd
import pytest

from ocrnet.raw.splits import plan_splits
from tests.ocrnet.raw.raw_sets import CLASSES, make_params


def table_of(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    """Return a table of id, group and split, in which all images show all classes."""
    table = pd.DataFrame(rows, columns=["id", "group", "split"]).assign(copy_of="")
    return table.assign(**{f"px_{name}": 5 for name in CLASSES}, px_ignore=0)


def planned(rows: list[tuple[str, str, str]], **prepare: Any) -> dict[str, str | None]:
    params = make_params(prepare={"missing_splits": "from_train", **prepare})
    plan = plan_splits(table_of(rows), params)
    assert not plan.refusals
    return dict(zip([row[0] for row in rows], plan.splits, strict=True))


TRAIN = [(f"t{number:02}", f"drive{number // 4}", "train") for number in range(40)]
VAL = [(f"v{number}", f"city{number}", "val") for number in range(5)]


def test_test_images_come_from_train_by_group_and_val_stays() -> None:
    splits = planned(TRAIN + VAL, test_share=0.25)
    assert all(splits[name] == "val" for name, _, _ in VAL)
    assert {splits[name] for name, _, _ in TRAIN} == {"train", "test"}
    by_group: dict[str, set[str | None]] = {}
    for name, group, _ in TRAIN:
        by_group.setdefault(group, set()).add(splits[name])
    assert all(len(found) == 1 for found in by_group.values())
    share = sum(splits[name] == "test" for name, _, _ in TRAIN) / len(TRAIN)
    assert share == pytest.approx(0.25, abs=0.06)


def test_a_set_of_train_alone_gets_both_other_splits() -> None:
    splits = planned(TRAIN)
    assert set(splits.values()) == {"train", "val", "test"}


def test_a_whole_published_split_stays_as_it_is() -> None:
    rows = [*TRAIN, *VAL, ("x", "x", "test")]
    assert planned(rows) == {name: split for name, _, split in rows}


def test_copies_in_train_stay_together() -> None:
    table = table_of(TRAIN + VAL)
    table.loc[table["id"].isin(["t00", "t39"]), "copy_of"] = "t00"
    params = make_params(prepare={"missing_splits": "from_train"})
    plan = plan_splits(table, params)
    joined = {
        split for split, group in zip(plan.splits, plan.groups, strict=True) if group == "drive0"
    }
    assert len(joined) == 1
    assert plan.groups[39] == "drive0"


def test_too_few_training_groups_are_refused() -> None:
    rows = [("a", "g", "train"), ("b", "g", "train"), *VAL]
    plan = plan_splits(table_of(rows), make_params(prepare={"missing_splits": "from_train"}))
    assert plan.refusals[0].startswith("E126 1 groups cannot fill")
