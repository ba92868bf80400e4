"""Which names tell of images that belong together; the regular expression must do as `data.group_by`."""

import pytest

from ocrnet.raw.groups import group_of, suggest_group_by

TOGETHER = {
    "runs over one object": (
        [f"exp{run}_num_{part}" for part in (108719, 108725, 209113, 300004) for run in (1, 6)],
        ("exp1_num_108719", "exp6_num_108719"),
    ),
    "sides of a part": (
        [f"part_{part}_{side}" for part in range(8, 14) for side in "ab"], ("part_12_a", "part_12_b"),
    ),
    "sides without a separator": (
        [f"{part}{side}" for part in range(8, 14) for side in "LR"], ("12L", "12R"),
    ),
    "frames of drives": (
        [f"{drive}_{frame:06}" for drive in ("0001TP", "0006R0", "0016E5") for frame in range(8550, 8900, 30)],
        ("0001TP_008550", "0001TP_008580"),
    ),
    "slices of patients": (
        [f"patient{who:02}_slice{i}" for who in range(9) for i in range(12)],
        ("patient03_slice0", "patient03_slice11"),
    ),
}  # fmt: skip
APART = {
    "numbers": [f"{i:04}" for i in range(40)],
    "a word and a number": [f"img_{i:04}" for i in range(40)],
    "a camera's names": [f"DSC{i:05}" for i in range(40)],
    "a phone's names": [f"IMG_20230101_{37 * i:06}" for i in range(40)],
    "numbers by split": [f"{split}_{i:04}" for split in ("train", "val", "test") for i in range(9)],
    "numbers by class": [f"{name}_{i}" for name in ("cat", "dog", "cow") for i in range(9)],
    "years and numbers": [f"{year}_{7 * i:06}" for year in (2007, 2008, 2009) for i in range(40)],
    "a tool's suffix": [f"{i:06}_leftImg8bit" for i in range(40)],
    "one image": ["a"],
    "none": [],
}


@pytest.mark.parametrize("habit", TOGETHER)
def test_names_of_one_object_come_with_a_regular_expression_that_joins_them(habit: str) -> None:
    ids, (one, other) = TOGETHER[habit]
    found = suggest_group_by(ids)
    assert found is not None
    assert group_of(one, found.pattern) == group_of(other, found.pattern)
    groups = {group_of(item, found.pattern) for item in ids}
    assert 3 <= len(groups) <= len(ids) / 2
    assert len({group_of(item, found.pattern) for item in found.examples}) == 1


@pytest.mark.parametrize("habit", APART)
def test_plain_names_raise_no_alarm(habit: str) -> None:
    assert suggest_group_by(APART[habit]) is None
