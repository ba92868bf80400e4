"""Groups of images that show one object, found by a part of their names: by `data.group_by`, or by a guess.

Images of one part, one patient or one drive must not be in two splits. If `data.group_by` is not set, names are
searched for three patterns. A plain number after a plain word or a year is not such a pattern.

| pattern | example | group |
|---|---|---|
| frames of numbered series | 0001TP_008550, 0001TP_008580 | the part before the last number |
| views of a numbered object | part_12_a, part_12_b; 12a, 12b | the part before the last letters |
| numbered runs over one object | exp1_num_108719, exp6_num_108719 | the part after the first word |
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ocrnet.errors import DataError

LEAST_SHARE = 0.3  # smallest share of images that are in a group with another image
LEAST_GROUPS = 3  # fewer cannot fill three splits
DENSE = 0.5  # names whose numbers cover this share of their range are frames of a counter
VIEWS = 12  # largest number of different endings for the views of an object


@dataclass(frozen=True)
class Suggestion:
    """A regular expression for `data.group_by`, and two ids that it joins."""

    pattern: str
    examples: tuple[str, str]


def group_of(item: str, pattern: str | None) -> str:
    """Return the group of an id: the first group of the regex, or the id itself without one.

    Raises:
        DataError: The regex does not match.
    """
    if pattern is None:
        return item
    match = re.search(pattern, item)
    if match is None or not match.group(1):
        raise DataError(
            f"{item}: data.group_by {pattern!r} finds no group in this id. Write a regex that matches "
            "every id."
        )
    return match.group(1)


def suggest_group_by(ids: Sequence[str]) -> Suggestion | None:
    """Return a pattern that joins images of one object; None if the names suggest none."""
    stem = _stem(ids)
    candidates: list[tuple[str, Callable[[dict[str, str]], bool]]] = [
        *([(rf"^{stem}[0-9]+[_.\-](.+)$", _is_no_counter)] if stem else []),
        (r"^(.*[0-9].*)[_.\-][A-Za-z]+[0-9]?$", _are_views),
        (r"^(.*[0-9])[A-Za-z]$", _are_views),
        (r"^(.*[0-9].*)[_.\-][A-Za-z]*[0-9]+$", _is_series),
    ]
    for pattern, fits in candidates:
        groups = _groups(ids, pattern)
        if groups is not None and fits(groups):
            return Suggestion(pattern, _example(groups))
    return None


def _stem(ids: Sequence[str]) -> str:
    match = re.match(r"[A-Za-z]+", ids[0]) if ids else None
    return match.group() if match else ""


def _groups(ids: Sequence[str], pattern: str) -> dict[str, str] | None:
    """Return the group of each id; None unless enough of them share one."""
    found = {item: re.search(pattern, item) for item in ids}
    if not all(found.values()):
        return None
    groups = {item: match.group(1) for item, match in found.items() if match}
    counts = Counter(groups.values())
    shared = sum(count for count in counts.values() if count > 1)
    enough = len(counts) >= LEAST_GROUPS and shared >= LEAST_SHARE * len(groups)
    return groups if enough else None


def _is_no_counter(groups: dict[str, str]) -> bool:
    """Return whether the names that recur in each run are objects, not frames of a counter that starts again."""
    numbers = {
        int(match.group()) for name in groups.values() if (match := re.search(r"[0-9]+$", name))
    }
    span = max(numbers) - min(numbers) + 1 if numbers else 0
    return not numbers or len(numbers) < DENSE * span


def _are_views(groups: dict[str, str]) -> bool:
    return len({item[len(group) :] for item, group in groups.items()}) <= VIEWS


def _is_series(groups: dict[str, str]) -> bool:
    """Return whether a group is a series, and neither a year nor the name of a single image."""
    names = set(groups.values())
    return len(names) <= len(groups) / 2 and all(re.search("[A-Za-z]", name) for name in names)


def _example(groups: dict[str, str]) -> tuple[str, str]:
    counts = Counter(groups.values())
    shared = next(group for group in groups.values() if counts[group] > 1)
    first, second = [item for item, group in groups.items() if group == shared][:2]
    return first, second
