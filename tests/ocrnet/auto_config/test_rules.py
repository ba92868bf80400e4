"""The values of a set, by rule, and the file that holds them."""

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from ocrnet.auto_config.choice import Choice, to_values
from ocrnet.auto_config.rules import choose_params, choose_steps, layout_choices
from ocrnet.auto_config.set_file import flow, set_text
from ocrnet.auto_config.step_times import StepTimes
from ocrnet.gan.generator.presets import PRESETS
from ocrnet.raw.groups import suggest_group_by
from tests.base_params import full_values, params_with

from .plans import CPU, GPU, memory_of, plan_with


def values_of(*args: Any, **values: Any) -> dict[str, Any]:
    return to_values(choose_params(plan_with(*args, **values), memory_of))


def complete(values: dict[str, Any]) -> dict[str, Any]:
    sections: dict[str, Any] = {}
    for key, value in values.items():
        section, _, leaf = key.rpartition(".")
        if section:
            sections.setdefault(section, {})[leaf] = value
        else:
            sections[key] = value
    return sections


@pytest.mark.parametrize("has_things", [True, False], ids=["things", "stuff"])
@pytest.mark.parametrize("machine", [CPU, GPU], ids=["cpu", "gpu"])
def test_the_values_are_params_that_the_project_accepts(machine: Any, has_things: bool) -> None:
    plan = plan_with(machine)
    choices = [*choose_params(plan, memory_of), *layout_choices(has_things=has_things)]
    read = YAML(typ="safe").load(set_text(["Head."], choices))
    assert read == to_values(choices)
    assert params_with(complete(read)).publish.model_name == "ocrnet-mine"


def test_each_value_has_its_reason_above_it() -> None:
    choices = [*choose_params(plan_with(), memory_of), *layout_choices(has_things=False)]
    lines = set_text(["Head."], choices).splitlines()
    keys = [place for place, line in enumerate(lines) if re.match(r"[a-z]", line)]
    assert len(keys) == len(choices)
    assert all(lines[place - 1].startswith("# ") for place in keys)
    assert all(len(choice.reason) > 10 and choice.reason.endswith(".") for choice in choices)
    assert max(map(len, lines)) <= 120


def test_the_keys_are_each_named_once_and_are_keys_of_the_params() -> None:
    known = {
        f"{name}.{leaf}"
        for name, part in full_values({}).items()
        if isinstance(part, dict)
        for leaf in part
    }
    keys = [
        c.key for c in (*choose_params(plan_with(), memory_of), *layout_choices(has_things=True))
    ]
    assert len(keys) == len(set(keys))
    assert set(keys) - {"seeds"} <= known


def test_steps_are_passes_over_the_images_within_limits() -> None:
    assert choose_steps(48, 8, on_gpu=False)[0] == 500
    assert choose_steps(367, 8, on_gpu=False)[0] == 1000  # 20 * 367 / 8 = 918
    assert choose_steps(100_000, 8, on_gpu=False)[0] == 4000
    assert choose_steps(367, 16, on_gpu=True)[0] == 2300


def test_a_gpu_gets_the_networks_that_its_memory_holds() -> None:
    cpu, gpu = values_of(CPU), values_of(GPU)
    assert (cpu["train_gan.preset"], gpu["train_gan.preset"]) == ("cpu-demo", "small")
    assert (cpu["train_gan.lr_generator"], gpu["train_gan.lr_generator"]) == (0.0004, 0.0001)
    assert (len(cpu["seeds"]), len(gpu["seeds"])) == (1, 3)
    for values in (cpu, gpu):
        multiple = PRESETS[values["train_gan.preset"]].multiple
        assert all(side % multiple == 0 for side in values["train_gan.crop_size"])


def test_the_numbers_are_those_of_the_table_in_the_docs() -> None:
    """60 of 100 images are trained on: 20 passes are 150 steps of 8, and 500 are the fewest."""
    cpu, gpu = values_of(CPU), values_of(GPU)
    assert (cpu["train.batch_size"], gpu["train.batch_size"]) == (8, 16)
    assert (cpu["train.steps"], gpu["train.steps"]) == (500, 2000)
    assert (cpu["train.lr"], gpu["train.lr"]) == (0.003, 0.0042)  # by the root of the batch size
    assert cpu["train.val_interval"] == 100
    assert cpu["train_gan.steps"] == cpu["train.steps"]
    assert (cpu["synthesize.count"], gpu["synthesize.count"]) == (120, 120)
    many = {"images": {"": 9000}, "sizes": ((100, 200),) * 9000}
    assert values_of(CPU, **many)["synthesize.count"] == 240
    assert values_of(GPU, **many)["synthesize.count"] == 2000


def test_rare_classes_are_weighted_and_sought_only_where_crops_can_miss_them() -> None:
    rare = {"background": 0.997, "object": 0.003}
    large = ((640, 640),) * 100
    assert values_of(shares=rare)["train.class_weights"] == "inverse_sqrt"
    assert values_of(shares=rare)["train.rare_crops"] == 0.0
    assert values_of(shares=rare, sizes=large, sides={"object": 3.0})["train.rare_crops"] == 0.33
    assert values_of()["train.class_weights"] == "none"
    assert values_of(shares=rare)["promote.first_min_class_iou"] == 0.0


def test_few_images_leave_enough_for_an_interval_on_the_test_split() -> None:
    few = values_of(images={"": 20}, sizes=((100, 200),) * 20)
    assert few["prepare.test_share"] * 20 >= 6
    assert few["prepare.test_share"] + few["prepare.val_share"] < 0.61
    assert values_of()["prepare.test_share"] == 0.25


@pytest.mark.parametrize(
    ("ids", "one", "group"),
    [
        ([f"part{i:02d}_view{v}" for i in range(8) for v in (1, 2)], "part01_view2", "part01"),
        ([f"000{d}TP_{n:06d}" for d in (1, 6, 7) for n in range(6690, 6840, 30)], "0001TP_006690", "0001TP"),
        ([f"P{i:03d}_slice_{s:02d}" for i in range(5) for s in range(4)], "P003_slice_02", "P003_slice"),
        ([f"patient{i}-{s:04d}" for i in range(10, 15) for s in range(6)], "patient12-0034", "patient12"),
    ],
    ids=["views of a part", "frames of a drive", "slices of a patient", "frames of a patient"],
)  # fmt: skip
def test_groups_of_the_names_become_the_pattern(ids: list[str], one: str, group: str) -> None:
    pattern = values_of(groups=suggest_group_by(ids))["data.group_by"]
    match = re.search(pattern, one)
    assert match is not None
    assert match.group(1) == group


def test_what_was_found_in_the_files_decides_how_they_are_read() -> None:
    plain = values_of()
    assert [plain[f"data.{key}"] for key in ("exif", "alpha", "extra_bands", "value_range")] == [
        "error", "error", "error", None,
    ]  # fmt: skip
    odd = values_of(rotated=1, transparent=2, further_bands=3, value_range=(0.0, 4095.0))
    assert [odd[f"data.{key}"] for key in ("exif", "alpha", "extra_bands", "value_range")] == [
        "apply", "black", "drop", [0, 4095],
    ]  # fmt: skip


def test_without_objects_nothing_is_pasted_and_the_control_needs_no_pasting() -> None:
    values = to_values(layout_choices(has_things=False))
    assert values["synthesize.operations"]["copy_paste"] == 0.0
    assert values["retrain.arms"] == ["gan", "real_twice"]


@pytest.mark.parametrize(
    "value",
    [
        None, [96, 128], {0: "background", "other": "object", -1: "ignore"}, {"1,2,3": "a class: #1"}, "auto", "yes",
        "0123", "1e5", "/data/my set", "Stra\u00dfe", 0.0001, True, [[1, 2], [3]], r"^(.*[0-9])[_.\-]'x", "", "a.b-c/d",
    ],
)  # fmt: skip
def test_yaml_reads_each_value_as_it_was(value: Any) -> None:
    text = set_text([], [Choice("key", value, "Why.")])
    assert YAML(typ="safe").load(text) == {"key": value}
    assert "\n" not in flow(value)


def test_the_time_of_a_run_is_the_sum_of_its_trainings() -> None:
    params = params_with({
        "seeds": [0, 1], "retrain": {"arms": ["gan", "copy_paste"]}, "synthesize": {"count": 5},
        "train": {"steps": 100, "val_interval": 50, "warmup_steps": 5}, "train_gan": {"steps": 10},
    })  # fmt: skip
    times = StepTimes(train_s=2.0, gan_s=3.0, score_s=1.0)
    assert times.training_s(params, val_images=4) == 100 * 2 + 2 * 4
    # Six trainings, each scored on 7 test images; the GAN; 5 pairs scored twice.
    assert times.run_s(params, val_images=4, test_images=7) == 6 * 208 + 10 * 3 + 6 * 7 + 2 * 5
