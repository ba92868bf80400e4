"""Who is in which split."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrnet.errors import DataError
from ocrnet.raw.groups import group_of
from ocrnet.raw.splits import assign_splits, keep_fraction, plan_splits
from tests.ocrnet.raw.raw_sets import make_params

SHARES = {"train": 0.6, "val": 0.15, "test": 0.25}  # the defaults


def table_of(
    ids: list[str], groups: list[str] | None = None, **pixels: list[float]
) -> pd.DataFrame:
    counted = {f"px_{name}": column for name, column in pixels.items()}
    return pd.DataFrame(
        {"id": ids, "group": groups or ids, "split": None, "image": ids, "copy_of": "", **counted}
    )


def with_rare_class(seed: int, images: int, rare: int) -> pd.DataFrame:
    """Return images that all show the first class, and a few that show the last one."""
    shown = np.zeros(images)
    shown[np.random.default_rng(seed).choice(images, rare, replace=False)] = 1.0
    ids = [f"set{seed}_{i:04}" for i in range(images)]
    plain = [1.0] * images
    return table_of(ids, plate=plain, scratch=plain, pit=shown.tolist())


@settings(max_examples=50)
@given(
    names=st.sets(st.text("abcxyz0123_", min_size=1, max_size=6), min_size=10, max_size=80),
    added=st.text("ABC", min_size=1, max_size=9),
    seed=st.integers(0, 99),
)
def test_a_file_added_moves_at_most_one_over_each_border(
    names: set[str], added: str, seed: int
) -> None:
    params = make_params(prepare={"split_seed": seed, "val_share": 0.3, "test_share": 0.3})
    ids = sorted(names)
    before = dict(zip(ids, assign_splits(table_of(ids), params), strict=True))
    more = sorted([*ids, added])
    after = dict(zip(more, assign_splits(table_of(more), params), strict=True))
    moved = [{before[name], after[name]} for name in ids if before[name] != after[name]]
    assert {"train", "test"} not in moved  # val lies between them
    assert all(moved.count(border) <= 1 for border in moved)


@pytest.mark.parametrize(("images", "rare"), [(8, 3), (20, 3), (100, 5), (300, 15)])
def test_a_class_in_three_images_or_more_is_in_every_split(images: int, rare: int) -> None:
    """By a hash alone, a class in 5 of 100 images misses a split in two sets of three."""
    for seed in range(40):
        table = with_rare_class(seed, images, rare)
        splits = assign_splits(table, make_params())
        shown = {split for split, pit in zip(splits, table["px_pit"], strict=True) if pit}
        assert shown == {"train", "val", "test"}
        for split, share in SHARES.items():
            assert abs(splits.count(split) - share * images) <= 0.5


@pytest.mark.parametrize(("rare", "wanted"), [(1, {"train"}), (2, {"train", "test"})])
def test_a_class_in_fewer_images_is_learned_first_and_scored_next(
    rare: int, wanted: set[str]
) -> None:
    for seed in range(20):
        table = with_rare_class(seed, 30, rare)
        plan = plan_splits(table, make_params())
        assert {s for s, pit in zip(plan.splits, table["px_pit"], strict=True) if pit} == wanted
        assert plan.refusals == ()
        (note,) = plan.notes
        assert note.startswith("Warning: val" if rare == 2 else "Warning: val and test")
        assert "class 'pit'" in note


def test_a_large_group_goes_where_it_fits() -> None:
    """Half of the images in one group, and five groups of ten."""
    groups = ["big"] * 50 + [f"g{i // 10}" for i in range(50)]
    for seed in range(20):
        params = make_params(prepare={"split_seed": seed})
        splits = assign_splits(table_of([str(i) for i in range(100)], groups), params)
        assert splits[0] == "train"
        for split, share in SHARES.items():
            assert abs(splits.count(split) - 100 * share) <= 10


def test_a_group_stays_together() -> None:
    ids = [f"drive{drive}_{frame}" for drive in range(40) for frame in range(3)]
    groups = [group_of(item, "^([a-z0-9]+)_") for item in ids]
    splits = assign_splits(table_of(ids, groups), make_params())
    for group in set(groups):
        members = {split for split, own in zip(splits, groups, strict=True) if own == group}
        assert len(members) == 1


def test_another_seed_is_another_split_and_the_order_of_files_is_none() -> None:
    ids = [str(i) for i in range(50)]

    def drawn(seed: int, names: list[str]) -> dict[str, str]:
        splits = assign_splits(table_of(names), make_params(prepare={"split_seed": seed}))
        return dict(zip(names, splits, strict=True))

    assert drawn(0, ids) != drawn(1, ids)
    assert drawn(0, ids) == drawn(0, ids[::-1])


def test_a_published_split_is_kept() -> None:
    table = table_of(["a", "b", "c"]).assign(split=["test", "train", "val"])
    assert assign_splits(table, make_params()) == ["test", "train", "val"]


@pytest.mark.parametrize(
    ("groups", "prepare", "words"),
    [
        (2, {}, "2 groups cannot fill train, val and test"),
        (20, {"val_share": 0.0}, "prepare.val_share is 0"),
    ],
)
def test_a_split_that_cannot_be_is_refused(
    groups: int, prepare: dict[str, float], words: str
) -> None:
    with pytest.raises(DataError, match=rf"^E126 .*{words}"):
        assign_splits(table_of([str(i) for i in range(groups)]), make_params(prepare=prepare))


def test_eight_images_fill_three_splits() -> None:
    splits = assign_splits(table_of([str(i) for i in range(8)]), make_params())
    assert [splits.count(name) for name in ("train", "val", "test")] == [5, 1, 2]


def test_equal_pictures_are_one_group_of_a_drawn_split_unless_allowed() -> None:
    """Two drives that share a picture are one, too."""
    ids = [str(i) for i in range(60)]
    groups = ["a"] * 5 + ["b"] * 5 + ids[10:]
    copies = [""] * 4 + ["4", "4"] + [""] * 34 + ["40"] * 3 + [""] * 17
    for seed in range(20):
        params = make_params(prepare={"split_seed": seed})
        plan = plan_splits(table_of(ids, groups).assign(copy_of=copies), params)
        assert len(set(plan.splits[:10])) == len(set(plan.splits[40:43])) == 1
        assert plan.groups[:10] == ("a",) * 10
        assert plan.groups[40:43] == ("40",) * 3
        assert plan.refusals == ()
    table = table_of(ids).assign(copy_of=["0"] * 30 + [""] * 30)
    assert set(assign_splits(table, make_params(allow_duplicates=True))[:30]) > {"train"}


def published(**shown: list[float]) -> pd.DataFrame:
    splits = ["train"] * 4 + ["val"] * 3 + ["test"] * 3
    plain = [1.0] * 10
    ids = [str(i) for i in range(10)]
    table = table_of(ids, None, plate=plain, scratch=plain, **shown)
    return table.assign(split=splits)


def test_a_published_split_that_teaches_nothing_of_a_class_is_refused_unless_allowed() -> None:
    table = published(pit=[0.0] * 4 + [1.0] * 6)
    (line,) = plan_splits(table, make_params()).refusals
    assert line.startswith("E127 train has no pixel of class 'pit'")
    assert "validate.allow_unlearned" in line
    allowed = plan_splits(table, make_params(validate={"allow_unlearned": True}))
    assert allowed.refusals == ()
    assert len(allowed.notes) == 1


def test_a_class_that_the_test_split_or_the_whole_set_lacks_is_told() -> None:
    plan = plan_splits(published(pit=[1.0] * 7 + [0.0] * 3), make_params())
    assert plan.refusals == ()
    assert [line for line in plan.notes if "test has no pixel of class 'pit'" in line]
    (note,) = plan_splits(published(pit=[0.0] * 10), make_params()).notes
    assert "class 'pit' has no pixel in the whole set" in note


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


@settings(max_examples=40)
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
