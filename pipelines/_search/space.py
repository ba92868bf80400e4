"""The space of a search: `KEY=LOW..HIGH` and `KEY=A|B|C`, checked against the params and the graph."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ocrnet.config import Params
from ocrnet.config.params_file import known_keys
from ocrnet.errors import ParamsError
from ocrnet.preflight.names import check_component_names
from ocrnet.record import flatten
from pipelines._stage.dependencies import read_node
from pipelines._work_folders.values import with_values
from pipelines._work_folders.work_folder import tree_of

DIGITS = 4  # significant digits of a proposed number, so that a set can be read
LOG_RATIO = 10  # high / low from which a range of positive floats is logarithmic
FORMS = "Write low..high, such as train.lr=1e-4..1e-2, or a|b, such as train.loss=ce|ohem"
_WHOLE = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Range:
    """The numbers from a low to a high one.

    Args:
        key: Dotted key of the params.
        text: Range as it was written.
        low: Lowest value.
        high: Highest value.
        whole: Whether the values are whole numbers.
        log: Whether the logarithms of the values are drawn evenly.
    """

    key: str
    text: str
    low: float
    high: float
    whole: bool
    log: bool

    @property
    def samples(self) -> tuple[float, ...]:
        """The values that are checked before anything runs."""
        return self.value_of(self.low), self.value_of(self.high)

    def value_of(self, drawn: Any) -> float:
        """Return the param's value for a number that Optuna drew."""
        if self.whole:
            return int(drawn)
        return min(max(float(f"{drawn:.{DIGITS}g}"), self.low), self.high)

    def drawn_of(self, value: Any) -> float | None:
        """Return the number that stands for a param's value; None if it is not in the range."""
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            return None
        return value if self.value_of(value) == value else None


@dataclass(frozen=True)
class Choices:
    """Values of which each trial has one.

    Args:
        key: Dotted key of the params.
        text: Choices as they were written.
        values: Value of each choice, by its text.
    """

    key: str
    text: str
    values: Mapping[str, Any] = field(compare=False)

    @property
    def samples(self) -> tuple[Any, ...]:
        """The values that are checked before anything runs."""
        return tuple(self.values.values())

    def value_of(self, drawn: Any) -> Any:
        """Return the param's value for the text that Optuna drew."""
        return self.values[drawn]

    def drawn_of(self, value: Any) -> str | None:
        """Return the text that stands for a param's value; None if it is not among the choices."""
        return next((text for text, one in self.values.items() if one == value), None)


Axis = Range | Choices


def read_space(texts: Sequence[str], params: Params) -> list[Axis]:
    """Return an axis per text, all of whose ends and choices are valid params.

    Args:
        texts: Texts such as `train.lr=1e-4..1e-2`, one or more.
        params: Params that the search starts from.

    Raises:
        ParamsError: A key cannot be searched, or a range or a value is wrong.
    """
    known = flatten(tree_of(params))
    axes: list[Axis] = []
    for text in texts:
        key, equals, values = text.partition("=")
        if not equals:
            raise ParamsError(f"{text}: found no =. {FORMS}.")
        if any(axis.key == key for axis in axes):
            raise ParamsError(f"{text}: {key} is there twice. Give one range for each key.")
        _check_key(key, params)
        axes.append(parse_axis(key, values, known[key]))
        _check_values(axes[-1], params)
    return axes


def parse_axis(key: str, text: str, now: Any) -> Axis:
    """Return the range or the choices that a text means.

    Args:
        key: Dotted key of the params.
        text: Text such as `1e-4..1e-2` or `ce|ohem`.
        now: Present value of the key, which says whether its numbers are whole.

    Raises:
        ParamsError: The text has another form, or names fewer than two values.
    """
    if "|" in text:
        return _parse_choices(key, text)
    low, dots, high = (part.strip() for part in text.partition(".."))
    if not dots:
        raise ParamsError(
            f"{key}={text}: found one value, which leaves nothing to search. {FORMS}."
        )
    if isinstance(now, bool | str | list):
        raise ParamsError(
            f"{key}={text}: found a range, but {key} is {now!r} and no number. Write choices: {key}=a|b."
        )
    ends = [_number(one, place=f"{key}={text}") for one in (low, high)]
    if ends[0] >= ends[1]:
        raise ParamsError(
            f"{key}={text}: the range is empty: {low} is not below {high}. Write the lower value first."
        )
    written_whole = all(_WHOLE.fullmatch(one) for one in (low, high))
    whole = written_whole and not isinstance(now, float)
    if isinstance(now, int) and not whole:
        raise ParamsError(f"{key}={text}: {key} is a whole number. Write whole numbers as ends.")
    log = not whole and ends[0] > 0 and ends[1] / ends[0] >= LOG_RATIO
    return Range(key, text, ends[0], ends[1], whole, log)


def _number(text: str, *, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ParamsError(f"{place}: {text!r} is no finite number. {FORMS}.")
    return value


def _parse_choices(key: str, text: str) -> Choices:
    values: dict[str, Any] = {}
    for part in text.split("|"):
        word = part.strip()
        if not word or word in values:
            fault = f"the choice {word!r} is there twice" if word else "a choice is empty"
            raise ParamsError(f"{key}={text}: {fault}. Write each once: {key}=a|b.")
        try:
            values[word] = YAML(typ="safe").load(word)
        except YAMLError:
            raise ParamsError(
                f"{key}={text}: {word!r} is not YAML. Write values as in params.yaml."
            ) from None
    return Choices(key, text, values)


def _check_key(key: str, params: Params) -> None:
    """Refuse a key that is unknown, that the training does not depend on, or that changes the validation images."""
    if known_keys().get(key) and key:
        raise ParamsError(f"search: {key} is a section. Name one of its keys, such as train.lr.")
    if key not in flatten(tree_of(params)):
        with_values(params, {key: None}, place="search")  # says which key was meant
    train, prepare = read_node("train"), read_node("prepare")
    if prepare.uses(key):
        raise ParamsError(
            f"search: {key}: prepare depends on it, so trials would be scored on different images. Search keys that "
            "only the training depends on, such as train.lr."
        )
    if not train.uses(key):
        raise ParamsError(
            f"search: {key}: the training does not depend on it, so its validation score says nothing about it. "
            "Search keys of train and model, such as train.lr."
        )


def _check_values(axis: Axis, params: Params) -> None:
    place = f"{axis.key}={axis.text}"
    for value in axis.samples:
        checked = with_values(params, {axis.key: value}, place=place)
        try:
            check_component_names(checked)
        except ParamsError as error:
            raise ParamsError(str(error).replace("params.yaml", place)) from error
