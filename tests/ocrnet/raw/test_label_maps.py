"""Raw ids and colours to class ids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrnet.errors import DataError, ParamsError
from ocrnet.raw.label_maps import (
    count_values,
    first_position,
    label_rules,
    parse_raw_value,
    resize_label_map,
    to_class_ids,
    voc_palette,
)
from tests.ocrnet.raw.raw_sets import make_params, stripes


def ids(raw: list[int], **data: object) -> list[int]:
    rules = label_rules(make_params(**data).data)
    return [int(value) for value in to_class_ids(np.array([raw], dtype=np.uint16), rules)[0]]


def test_without_a_label_map_ids_stay_as_they_are() -> None:
    assert ids([0, 1, 2, 255]) == [0, 1, 2, 255]


def test_ids_that_a_label_map_leaves_out_stay_themselves() -> None:
    assert ids([0, 1, 2, 7, 255], label_map={7: "ignore"}) == [0, 1, 2, 255, 255]
    assert ids([0, 255], label_map={255: "scratch"}) == [0, 1]
    assert ids([0, 1000], label_map={1000: "pit"}) == [0, 2]


def test_an_id_is_never_mixed_into_a_class_unseen() -> None:
    shifted = {1: "plate", 2: "scratch", 3: "pit"}
    assert ids([1, 2, 3], label_map=shifted) == [0, 1, 2]
    with pytest.raises(DataError, match="E101 unknown raw value 0"):
        ids([0, 1], label_map=shifted)
    assert ids([0, 1], label_map={0: "ignore", **shifted}) == [255, 0]


def test_an_id_of_no_class_is_refused() -> None:
    with pytest.raises(DataError, match="E101 unknown raw value 3"):
        ids([0, 3])


def test_other_is_the_class_of_every_object_number_also_of_the_ignored_id() -> None:
    instances = {0: "plate", 7: "ignore", "other": "pit"}
    assert ids([0, 1, 2, 7, 255, 1000], label_map=instances) == [0, 2, 2, 255, 2, 2]


def test_other_is_about_colours_where_colours_are_named() -> None:
    rules = label_rules(make_params(label_map={"0,0,0": "plate", "other": "pit"}).data)
    raw = np.array([[[0, 0, 0], [1, 0, 0], [9, 8, 7]]], dtype=np.uint8)
    assert to_class_ids(raw, rules).tolist() == [[0, 2, 2]]


def test_an_rgb_file_among_numbered_objects_is_not_taken_for_an_object() -> None:
    rules = label_rules(make_params(label_map={0: "plate", "other": "pit"}).data)
    with pytest.raises(DataError, match="E104"):
        to_class_ids(np.array([[[1, 2, 3]]], dtype=np.uint8), rules)


def test_colours_go_by_the_palette() -> None:
    rules = label_rules(make_params().data)
    raw = np.array(voc_palette(3), dtype=np.uint8)[stripes()]
    np.testing.assert_array_equal(to_class_ids(raw, rules), stripes())
    raw[0, 0] = (1, 0, 0)
    with pytest.raises(DataError, match=r"E104 unknown raw value \(1, 0, 0\)"):
        to_class_ids(raw, rules)


def test_colours_of_the_label_map_replace_the_palette() -> None:
    rules = label_rules(make_params(label_map={"9,8,7": "pit", "255, 255, 255": "ignore"}).data)
    raw = np.array([[[9, 8, 7], [255, 255, 255]]], dtype=np.uint8)
    assert to_class_ids(raw, rules).tolist() == [[2, 255]]
    with pytest.raises(DataError, match="E104"):
        to_class_ids(np.zeros((1, 1, 3), dtype=np.uint8), rules)


@pytest.mark.parametrize("key", ["road", "1,2", "1,2,256", "1,2,x", "--1", "-1,2,3", "1.5"])
def test_a_key_that_is_no_raw_value_is_refused(key: str) -> None:
    with pytest.raises(ParamsError, match=r"data.label_map: key .* is neither an id"):
        parse_raw_value(key)


def test_the_palette_is_that_of_pascal_voc() -> None:
    # From the development kit: background, aeroplane, bicycle, ..., tvmonitor (20).
    palette = voc_palette(21)
    assert palette[:5] == ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128))
    assert palette[20] == (0, 64, 128)
    assert len(set(voc_palette(256))) == 256


@given(st.lists(st.integers(0, 70000), min_size=1, max_size=40))
def test_counts_and_positions_agree_with_a_plain_count(values: list[int]) -> None:
    raw = np.array([values])
    counts = count_values(raw)
    assert counts == {value: values.count(value) for value in values}
    for value in counts:
        assert first_position(raw, value) == (values.index(int(str(value))), 0)


def test_the_first_position_reads_row_by_row() -> None:
    raw = np.zeros((4, 5, 3), dtype=np.uint8)
    raw[1, 4] = raw[3, 0] = (1, 2, 3)
    assert first_position(raw, (1, 2, 3)) == (4, 1)
    assert count_values(raw) == {(0, 0, 0): 18, (1, 2, 3): 2}


@given(st.integers(1, 40), st.integers(1, 40))
def test_a_new_size_brings_no_new_id(height: int, width: int) -> None:
    label_map = stripes()
    label_map[3] = 255
    resized = resize_label_map(label_map, (height, width))
    assert resized.shape == (height, width)
    assert set(np.unique(resized)) <= {0, 1, 2, 255}


def test_doubling_a_label_map_repeats_its_pixels() -> None:
    doubled = resize_label_map(stripes(), (24, 32))
    np.testing.assert_array_equal(doubled, stripes().repeat(2, axis=0).repeat(2, axis=1))
