"""The ranges of a search, as a user writes them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrnet.errors import ParamsError
from pipelines._search.space import Choices, Range, parse_axis, read_space
from tests.base_params import params_with


@pytest.mark.parametrize(
    ("text", "now", "low", "high", "whole", "log"),
    [
        ("1e-4..1e-2", 0.003, 0.0001, 0.01, False, True),
        ("0.1..0.9", 0.3, 0.1, 0.9, False, False),  # a ratio of nine
        ("0.1..1", 0.3, 0.1, 1.0, False, True),
        ("0..0.5", 0.0, 0.0, 0.5, False, False),  # zero has no logarithm
        ("1..10", 5.0, 1.0, 10.0, False, True),  # the key is a float, so its ends are floats
        ("2..64", 8, 2, 64, True, False),
        ("5..50", None, 5, 50, True, False),
        ("0.5..50", None, 0.5, 50.0, False, True),  # an empty key tells nothing, the ends do
        (".5..1.5", 1.0, 0.5, 1.5, False, False),
        ("-3..4", 0, -3, 4, True, False),
    ],
)
def test_a_range_has_its_ends_and_its_scale(
    text: str, now: Any, low: float, high: float, whole: bool, log: bool
) -> None:
    assert parse_axis("a.b", text, now) == Range("a.b", text, low, high, whole, log)


def test_choices_are_values_as_in_the_params() -> None:
    axis = parse_axis("train.loss", "ce | ohem|ce + 0.5*dice", "ce")
    assert isinstance(axis, Choices)
    assert axis.values == {"ce": "ce", "ohem": "ohem", "ce + 0.5*dice": "ce + 0.5*dice"}
    assert parse_axis("k", "[64, 64]|[96, 96]", [64, 64]).samples == ([64, 64], [96, 96])
    assert parse_axis("k", "true|false", True).samples == (True, False)
    assert parse_axis("k", "2|4|8", 8).value_of("4") == 4


@given(st.floats(1e-6, 1e3), st.floats(1.0001, 1e6), st.floats(0, 1))
def test_a_proposed_number_is_short_and_in_its_range(
    low: float, ratio: float, place: float
) -> None:
    axis = Range("k", "", low, low * ratio, whole=False, log=True)
    value = axis.value_of(low * ratio**place)
    assert axis.low <= value <= axis.high
    assert value in (axis.low, axis.high) or float(f"{value:.4g}") == value
    assert axis.drawn_of(value) in (value, None)


def test_a_value_outside_of_the_space_has_no_place_in_it() -> None:
    axis = parse_axis("train.lr", "1e-4..1e-2", 0.1)
    assert axis.drawn_of(0.003) == 0.003
    assert axis.drawn_of(0.1) is None
    assert axis.drawn_of(None) is None
    assert parse_axis("train.loss", "ohem|dice", "ce").drawn_of("ce") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train.lr", "train.lr: found no ="),
        ("train.lr=0.1", "found one value, which leaves nothing to search"),
        ("train.lr=1e-2..1e-4", "the range is empty: 1e-2 is not below 1e-4"),
        ("train.lr=0.1..0.1", "the range is empty"),
        ("train.lr=a..b", "'a' is no finite number"),
        ("train.lr=1e-4..inf", "'inf' is no finite number"),
        ("train.lr=1e-4..100", "train.lr: found 100.0. Input should be less than or equal to 10"),
        ("train.batch_size=0.5..8", "train.batch_size is a whole number"),
        ("train.batch_size=1..8", "batch_size 1 is too small"),
        ("train.lrr=1e-4..1e-2", "train.lrr: unknown key. Did you mean 'lr'?"),
        ("train=1..2", "train is a section. Name one of its keys"),
        ("train.loss=ce..ohem", "train.loss is 'ce' and no number. Write choices"),
        ("train.loss=ce|oehm", "'oehm' is unknown"),
        ("train.flip=0..1", "train.flip is True and no number"),
        ("train.loss=ce|ce", "the choice 'ce' is there twice"),
        ("train.loss=ce|", "a choice is empty"),
        ("train.loss=ce|[", "'[' is not YAML"),
        ("train_gan.steps=10..20", "the training does not depend on it"),
        ("evaluate.bootstrap=10..20", "the training does not depend on it"),
        ("train.workers=0..2", "the training does not depend on it"),
        ("prepare.val_share=0.1..0.2", "trials would be scored on different images"),
        ("data.ignore_index=250..255", "trials would be scored on different images"),
    ],
)
def test_what_cannot_be_searched_is_told_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ParamsError) as refused:
        read_space([text], params_with({}))
    (line,) = str(refused.value).splitlines()
    assert words in line


def test_a_key_has_one_range() -> None:
    texts = ["train.lr=1e-4..1e-2", "train.lr=1e-3..1e-2"]
    with pytest.raises(ParamsError, match=r"train\.lr is there twice"):
        read_space(texts, params_with({}))
