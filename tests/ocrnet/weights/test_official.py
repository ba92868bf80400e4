"""The official HRNet-OCR in each program's names gives the numbers of the released code."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from ocrnet.models import build_segmenter
from ocrnet.models.output import SegmentationModel
from ocrnet.weights import load_weights
from tests.ocrnet.models.official import fill_value
from tests.ocrnet.weights.models import assert_outputs, copied

GOLDEN = Path(__file__).parents[2] / "golden" / "ocr_parity"
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def official() -> State:
    """The state dict of the fixture, in the official names."""
    keys = json.loads((GOLDEN / "hrnet_w18_ocr.keys.json").read_text())
    return {k: torch.from_numpy(fill_value(k, tuple(shape))) for k, shape in keys.items()}


def build(classes: int = 19) -> SegmentationModel:
    return build_segmenter(
        "ocrnet", backbone="hrnet_w18", num_classes=classes, align_corners=True
    ).eval()


@pytest.fixture
def model() -> SegmentationModel:
    return build()


def assert_golden(model: SegmentationModel) -> None:
    golden = np.load(GOLDEN / "hrnet_w18_ocr.npz")
    aux, main = torch.from_numpy(golden["aux"]), torch.from_numpy(golden["main"])
    assert_outputs(model, torch.from_numpy(golden["input"]), aux, main)


def test_a_training_file_of_the_official_code(
    model: SegmentationModel, official: State, tmp_path: Path
) -> None:
    state = {f"module.model.{name}": value for name, value in official.items()}
    state["module.loss.criterion.weight"] = torch.ones(19)
    content = {"epoch": 484, "best_mIoU": 0.816, "state_dict": state, "optimizer": {"lr": 0.01}}
    torch.save(content, tmp_path / "checkpoint.pth.tar")
    report = load_weights(model, tmp_path / "checkpoint.pth.tar")
    assert report.format == "official"
    assert len(report.loaded) == report.total == 1576
    assert (report.missing, report.unexpected, report.left_out) == ((), (), ())
    assert (report.converted, report.warnings) == ((), ())
    renamed = dict(report.renamed)
    query = "ocr_distri_head.object_context_block.f_pixel"
    assert renamed[f"{query}.3.0.running_var"] == "head.to_query.4.running_var"
    assert_golden(model)


def test_a_released_file_in_the_old_serialization(
    model: SegmentationModel, official: State, tmp_path: Path
) -> None:
    """Released files are bare, with the prefix of the wrapper that held the loss, and older than torch's zip files."""
    state = {f"model.{name}": value for name, value in official.items()}
    torch.save(state, tmp_path / "released.pth", _use_new_zipfile_serialization=False)
    assert len(load_weights(model, tmp_path / "released.pth").loaded) == 1576
    assert_golden(model)


def as_nvidia(official: State) -> State:
    """The trunk and the head in modules of their own; each norm in a wrapper with its ReLU."""
    state = {}
    for name, value in official.items():
        if not name.startswith(("conv3x3_ocr", "ocr_distri", "cls_head", "aux_head")):
            state[f"backbone.{name}"] = value
            continue
        name = re.sub(r"^(conv3x3_ocr|aux_head)\.1\.", r"\1.1.0.", name)
        state["ocr." + name.replace("aux_head.3.", "aux_head.2.")] = value
    return {**state, "scale_attn.conv0.weight": torch.zeros(256, 512, 3, 3)}


MMSEG_BLOCK = {
    "f_pixel": "query_project",
    "f_object": "key_project",
    "f_down": "value_project",
    "f_up": "out_project",
}


def as_mmseg(official: State) -> State:
    """Mmsegmentation has no bias before a norm: the two that there are fold into the running mean."""
    state = {}
    for name, value in official.items():
        if name in ("conv3x3_ocr.0.bias", "aux_head.0.bias"):
            continue
        if name in ("conv3x3_ocr.1.running_mean", "aux_head.1.running_mean"):
            value = value - official[name.replace("1.running_mean", "0.bias")]
        name = name.replace("cls_head.", "decode_head.1.conv_seg.")
        name = name.replace("aux_head.3.", "decode_head.0.conv_seg.")
        name = re.sub(r"^aux_head\.", "decode_head.0.convs.0.", name)
        name = re.sub(r"^conv3x3_ocr\.", "decode_head.1.bottleneck.", name)
        name = name.replace(
            "ocr_distri_head.conv_bn_dropout.", "ocr_distri_head.object_context_block.bottleneck."
        )
        name = name.replace("ocr_distri_head.", "decode_head.1.")
        for theirs, ours in MMSEG_BLOCK.items():
            if f".{theirs}." in name:
                both = theirs in ("f_pixel", "f_object")
                name = name.replace(
                    f"{theirs}.0.weight", f"{ours}{'.0' if both else ''}.conv.weight"
                )
                name = name.replace(f"{theirs}.1.0.", f"{ours}{'.0' if both else ''}.bn.")
                name = name.replace(f"{theirs}.2.weight", f"{ours}.1.conv.weight")
                name = name.replace(f"{theirs}.3.0.", f"{ours}.1.bn.")
        if name.startswith("decode_head.") and "conv_seg" not in name:
            name = re.sub(r"(bottleneck|convs\.0)\.0\.", r"\1.conv.", name)
            name = re.sub(r"(bottleneck|convs\.0)\.1\.(0\.)?", r"\1.bn.", name)
        state[name if name.startswith("decode_head.") else f"backbone.{name}"] = value
    return state


@pytest.mark.parametrize(
    ("rename", "format_", "unexpected", "converted"),
    [
        (as_nvidia, "nvidia", 1, set()),
        (as_mmseg, "mmseg", 0, {"aux_head.0.bias", "head.reduce.0.bias"}),
    ],
)
def test_the_same_network_in_the_names_of_others(
    official: State,
    tmp_path: Path,
    rename: Callable[[State], State],
    format_: str,
    unexpected: int,
    converted: set[str],
) -> None:
    save_file(rename(official), tmp_path / "renamed.safetensors")
    model = build()
    report = load_weights(model, tmp_path / "renamed.safetensors")
    assert report.format == format_
    assert not report.missing
    assert len(report.unexpected) == unexpected
    assert {name for name, _ in report.converted} == converted
    assert "align_corners=False" in report.warnings[0]  # both resize so, the fixture does not
    assert_golden(model)


def test_files_of_torch_0_4_scale_by_the_absolute_gamma(official: State, tmp_path: Path) -> None:
    """InPlaceABN trained them: signs of gammas mean nothing, and there is no counter of batches."""
    state = {k: v for k, v in official.items() if not k.endswith("num_batches_tracked")}
    gammas = [k for k, v in state.items() if k.endswith("weight") and v.ndim == 1]
    negated = {k: -state[k] + 1e-5 for k in gammas}
    save_file({**state, **negated}, tmp_path / "torch04.safetensors")
    model = build()
    report = load_weights(model, tmp_path / "torch04.safetensors")
    assert len(report.converted) == len(gammas) == 314
    assert not report.missing
    got = model.state_dict()["backbone.net.bn1.weight"]
    torch.testing.assert_close(got, official["bn1.weight"], rtol=0.0, atol=1e-6)
    assert_golden(model)


def test_negative_gammas_of_a_batch_norm_stay(official: State, tmp_path: Path) -> None:
    save_file({**official, "bn1.weight": -official["bn1.weight"]}, tmp_path / "new.safetensors")
    model = build()
    load_weights(model, tmp_path / "new.safetensors")
    torch.testing.assert_close(
        model.state_dict()["backbone.net.bn1.weight"], -official["bn1.weight"]
    )


def test_another_number_of_classes_leaves_only_the_classifiers(
    official: State, tmp_path: Path
) -> None:
    """150 classes of ADE20K into 19 of Cityscapes: all but two classifiers are of use."""
    other = {
        k: torch.zeros(150, *v.shape[1:])
        for k, v in official.items()
        if k.startswith(("cls_head.", "aux_head.3."))
    }
    save_file({**official, **other}, tmp_path / "ade20k.safetensors")
    model = build()
    before = copied(model)
    report = load_weights(model, tmp_path / "ade20k.safetensors")
    left = {"aux_head.3.weight", "aux_head.3.bias", "head.classify.weight", "head.classify.bias"}
    assert set(report.left_out) == left
    assert (report.missing, report.unexpected, report.warnings) == ((), (), ())
    assert len(report.loaded) == 1572
    for name in left:
        assert torch.equal(model.state_dict()[name], before[name])


def test_plain_hrnet_seeds_the_auxiliary_head(official: State, tmp_path: Path) -> None:
    state = {
        k.replace("aux_head.", "last_layer."): v
        for k, v in official.items()
        if not k.startswith(("conv3x3_ocr", "ocr_distri", "cls_head"))
    }
    save_file(state, tmp_path / "hrnet.safetensors")
    model = build()
    report = load_weights(model, tmp_path / "hrnet.safetensors")
    assert report.format == "official"
    assert all(name.startswith("head.") for name in report.missing)
    got = model.state_dict()["aux_head.3.weight"]
    torch.testing.assert_close(got, official["aux_head.3.weight"])
