"""Which pairs come back for a class that would be lost with them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrnet.config import SelectParams
from ocrnet.gan.quality.near_duplicates import Original
from ocrnet.gan.selection.pair_choice import choose_pairs
from ocrnet.gan.selection.pair_scores import ScoredPair
from tests.base_params import section_with

PARAMS = section_with(SelectParams, max_rejected=0.5, warn_rejected=0.4)
COPY = Original("real_1", False, 0.1)


def scored(
    name: str, pixels: tuple[int, ...], wrong: float, original: Original | None = None
) -> ScoredPair:
    """Return a pair of whose pixels a share is rejected; which class they are of does not matter here."""
    rejected = np.zeros(len(pixels), dtype=np.int64)
    rejected[0] = round(wrong * sum(pixels))
    return ScoredPair({"id": name}, np.array(pixels, dtype=np.int64), rejected, 1.0, original, 0.0)


def test_the_least_wrong_pairs_of_a_lost_class_come_back_and_no_more() -> None:
    """Of 40 pixels of the second class 30 would go, 16 may: b comes back (20 lost), then a, whose 10 fit."""
    pairs = [
        scored("a", (10, 10), 0.8), scored("b", (10, 10), 0.6), scored("c", (10, 10), 0.9),
        scored("d", (70, 10), 0.1), scored("e", (20, 0), 0.7),
    ]  # fmt: skip
    choice = choose_pairs(pairs, PARAMS)
    assert [pair.row["id"] for pair in choice.kept] == ["a", "b", "d"]
    assert [pair.row["id"] for pair in choice.dropped] == ["c", "e"]
    assert (choice.readmitted, choice.saved) == (2, frozenset({1}))
    # Of 120 pixels of the first class 48 may go, 30 went with c and e; of the second 16, and 10 went with c.
    assert choice.most.tolist() == pytest.approx([(48 - 30) / 90, (16 - 10) / 30])


def test_a_copy_neither_comes_back_nor_counts_as_lost() -> None:
    pairs = [
        scored("a", (0, 50), 0.1, COPY),
        scored("b", (50, 10), 0.1),
        scored("c", (9, 4), 0.9),
    ]
    choice = choose_pairs(pairs, PARAMS)
    assert [pair.row["id"] for pair in choice.kept] == ["b"]
    assert choice.readmitted == 0


def test_where_no_pair_is_good_by_itself_none_comes_back() -> None:
    choice = choose_pairs([scored("a", (5, 5), 0.6), scored("b", (5, 0), 0.9)], PARAMS)
    assert (choice.kept, choice.readmitted) == ((), 0)


def test_without_a_dropped_pair_the_filter_has_the_limit_itself() -> None:
    """To the bit: a threshold must not move by the rounding of a share."""
    choice = choose_pairs([scored("a", (7, 3), 0.5), scored("b", (11, 0), 0.0)], PARAMS)
    assert choice.most.tolist() == [0.4, 0.4]


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 5), st.floats(0, 1), st.booleans()),
        max_size=12,
    ),
    st.floats(0, 1),
)
@settings(max_examples=60)
def test_what_is_dropped_and_may_be_filtered_stays_below_the_limit_of_each_class(
    drawn: list[tuple[int, int, float, bool]], limit: float
) -> None:
    pairs = [
        scored(str(i), (many, few), wrong, COPY if copy else None)
        for i, (many, few, wrong, copy) in enumerate(drawn)
    ]
    params = section_with(SelectParams, max_rejected=0.5, warn_rejected=limit)
    choice = choose_pairs(pairs, params)
    assert [p for p in pairs if p in choice.kept or p in choice.dropped] == pairs
    if not choice.kept:
        assert all(pair.reasons(params) for pair in pairs)
        return
    made = sum(p.pixels for p in pairs if p.original is None)
    kept = sum(p.pixels for p in choice.kept)
    assert (made - kept + choice.most * kept <= limit * made + 1e-9).all()
    assert all(p.original is None for p in choice.kept)
