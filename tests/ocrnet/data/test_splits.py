"""Who is in which split."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrnet.data.splits import assign_splits, group_of, keep_fraction, split_of
from ocrnet.errors import DataError
from tests.ocrnet.data.raw_sets import make_params

NAMES = st.lists(st.text("abcxyz0123_", min_size=1, max_size=6), min_size=40, max_size=80)


def table_of(ids: list[str], groups: list[str] | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {"id": ids, "group": groups or ids, "split": None, "image": ids, "copy_of": ""}
    )


@settings(max_examples=25, deadline=None)
@given(names=NAMES, added=st.text("abcxyz", min_size=7, max_size=9), seed=st.integers(0, 99))
def test_a_file_added_never_moves_another(names: list[str], added: str, seed: int) -> None:
    params = make_params(prepare={"split_seed": seed, "val_share": 0.3, "test_share": 0.3})
    ids = sorted(set(names)) + [f"fixed{i}" for i in range(40)]
    before = dict(zip(ids, assign_splits(table_of(ids), params), strict=True))
    more = sorted([*ids, added])
    after = dict(zip(more, assign_splits(table_of(more), params), strict=True))
    assert {name: after[name] for name in ids} == before


def test_a_group_stays_together() -> None:
    ids = [f"drive{drive}_{frame}" for drive in range(40) for frame in range(3)]
    groups = [group_of(item, "^([a-z0-9]+)_") for item in ids]
    splits = assign_splits(table_of(ids, groups), make_params())
    for group in set(groups):
        members = {split for split, own in zip(splits, groups, strict=True) if own == group}
        assert len(members) == 1


def test_shares_hold_over_many_groups() -> None:
    splits = [split_of(str(i), seed=0, val_share=0.15, test_share=0.25) for i in range(4000)]
    # Three standard deviations of a binomial share over 4000 are at most 0.021.
    assert splits.count("val") / 4000 == pytest.approx(0.15, abs=0.02)
    assert splits.count("test") / 4000 == pytest.approx(0.25, abs=0.021)


def test_another_seed_is_another_split() -> None:
    def drawn(seed: int) -> list[str]:
        return [split_of(str(i), seed=seed, val_share=0.3, test_share=0.3) for i in range(50)]

    assert drawn(0) != drawn(1)
    assert drawn(0) == drawn(0)


def test_a_published_split_is_kept() -> None:
    table = table_of(["a", "b", "c"]).assign(split=["test", "train", "val"])
    assert assign_splits(table, make_params()) == ["test", "train", "val"]


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(DataError, match=r"E126 2 groups leave .* without images"):
        assign_splits(table_of(["a", "b"]), make_params())


def test_a_picture_in_two_drawn_splits_is_refused_unless_allowed() -> None:
    table = table_of([str(i) for i in range(60)]).assign(copy_of=["0"] * 30 + [""] * 30)
    with pytest.raises(DataError, match=r"E113 \d+ images are in both train and val"):
        assign_splits(table, make_params())
    assert set(assign_splits(table, make_params(allow_duplicates=True))) == {"train", "val", "test"}


def test_an_id_without_a_group_is_named() -> None:
    assert group_of("0016E5_01920", "^([^_]+)_") == "0016E5"
    assert group_of("lonely", None) == "lonely"
    with pytest.raises(DataError, match=r"lonely: data.group_by"):
        group_of("lonely", "^([^_]+)_")


def drives(sizes: dict[str, int]) -> pd.DataFrame:
    """Return training frames of some drives, in no order, with a validation and a test image."""
    rows = [
        {"id": f"{drive}_{frame:03d}", "group": drive, "split": "train"}
        for drive, count in sizes.items()
        for frame in range(count)
    ]
    rows += [{"id": f"x_{split}", "group": "x", "split": split} for split in ("val", "test")]
    return pd.DataFrame(rows).sample(frac=1.0, random_state=0)


def kept_frames(table: pd.DataFrame, fraction: float, seed: int = 0) -> dict[str, list[int]]:
    kept = table[keep_fraction(table, fraction=fraction, seed=seed)]
    train = kept[kept["split"] == "train"]
    return {
        str(group): sorted(int(name.rsplit("_", 1)[1]) for name in rows["id"])
        for group, rows in train.groupby("group")
    }


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(2, 60), min_size=1, max_size=4),
    fractions=st.tuples(st.floats(0.01, 1.0), st.floats(0.01, 1.0)),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_each_group_keeps_one_stretch_that_holds_those_of_smaller_fractions(
    sizes: dict[str, int], fractions: tuple[float, float], seed: int
) -> None:
    less, more = (kept_frames(drives(sizes), fraction, seed) for fraction in sorted(fractions))
    assert set(less) == set(more) == set(sizes)
    for group, count in sizes.items():
        for frames, fraction in zip((less[group], more[group]), sorted(fractions), strict=True):
            assert len(frames) == max(1, round(fraction * count))
            assert frames == list(range(frames[0], frames[0] + len(frames)))
        assert set(less[group]) <= set(more[group])


def test_stretches_lie_everywhere_and_where_the_seed_says() -> None:
    table = drives({"a": 20, "b": 20})
    assert kept_frames(table, 0.1) == kept_frames(table, 0.1)
    starts = {kept_frames(table, 0.1, seed)["a"][0] for seed in range(300)}
    assert starts == set(range(19))  # two of twenty frames: the first and the last places, too
    alike = sum(kept_frames(table, 0.1, s)["a"] == kept_frames(table, 0.1, s)["b"] for s in range(50))  # fmt: skip
    assert alike < 15  # the place depends on the group, too


def test_validation_and_test_images_all_stay() -> None:
    table = drives({"a": 10})
    kept = keep_fraction(table, fraction=0.1, seed=0)
    assert kept[table["split"] != "train"].all()
    assert keep_fraction(table, fraction=1.0, seed=0).all()


def test_images_without_groups_are_one_stretch_together() -> None:
    """Else each would be a tiny group that keeps its one image, and the fraction would do nothing."""
    ids = [f"{i:02d}" for i in range(20)]
    table = table_of(ids).assign(split="train")
    kept = table["id"][keep_fraction(table, fraction=0.25, seed=3)].astype(int).tolist()
    assert kept == list(range(kept[0], kept[0] + 5))
