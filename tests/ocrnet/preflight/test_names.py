"""Wrong names are told by the first stage, all at once; every name in a table can be loaded."""

from importlib import import_module
from typing import Any

import pytest
import timm

from ocrnet.config import Params
from ocrnet.config.arms import ARMS
from ocrnet.errors import ParamsError
from ocrnet.losses import LOSSES
from ocrnet.models import ARCHS
from ocrnet.models.known import timm_models
from ocrnet.preflight.names import check_component_names
from ocrnet.raw.sources import SOURCES
from tests.base_params import params_with


def params(**sections: dict[str, Any]) -> Params:
    data = {"source": "folder", "path": "raw", "classes": ["a", "b"], **sections.pop("data", {})}
    return params_with({"data": data, **sections})


def test_the_defaults_are_known() -> None:
    check_component_names(params())


def test_all_wrong_names_are_told_with_the_known_ones() -> None:
    wrong = params(
        data={"source": "foldr"},
        model={"arch": "ocr", "backbone": "hrnet_w17"},
        train={"loss": "cee"},
        retrain={"arms": ["gan", "gann"]},
        synthesize={"operations": {"paste": 1.0}},
        train_gan={"arch": "oassis"},
    )
    with pytest.raises(ParamsError) as caught:
        check_component_names(wrong)
    lines = str(caught.value).splitlines()
    assert len(lines) == 7
    for line, key, meant, known in (
        (lines[0], "train.loss", "ce", "ce, ohem, "),
        (lines[1], "data.source", "folder", "demo, folder, by_name, camvid, coco, "),
        (lines[2], "model.arch", "ocrnet", "ocrnet, ocr_cascade, object_bank, "),
        (lines[3], "train_gan.arch", "oasis", "oasis, pix2pix."),
        (lines[4], "synthesize.operations", "copy_paste", "train, flip, "),
        (
            lines[5],
            "retrain.arms",
            "gan",
            "gan, gan_unselected, hybrid, copy_paste, copy_paste_unselected, real_twice, real_rim, "
            "self_training, mean_teacher.",
        ),
    ):
        assert f"params.yaml: {key}: " in line
        assert f"Did you mean '{meant}'?" in line
        assert f"Known: {known}" in line
    assert "hrnet_w18" in lines[6]


@pytest.mark.parametrize("pretrained", [True, "pyproject.toml"])
def test_pretrained_weights_need_a_backbone(pretrained: bool | str) -> None:
    with pytest.raises(
        ParamsError, match=f"pretrained: found {pretrained}, but unet has no backbone"
    ):
        check_component_names(params(model={"arch": "unet", "pretrained": pretrained}))
    check_component_names(params(model={"arch": "unet"}))
    check_component_names(params(model={"arch": "fcn", "pretrained": pretrained}))


@pytest.mark.parametrize("loss", [*LOSSES, "ce + 0.5*dice", " 2 * ohem+lovasz "])
def test_sums_of_known_losses_are_known(loss: str) -> None:
    check_component_names(params(train={"loss": loss}))


def test_an_unknown_loss_in_a_sum_is_told_with_the_known_ones() -> None:
    with pytest.raises(ParamsError) as caught:
        check_component_names(params(train={"loss": "ce + 0.5*dise"}))
    assert (
        str(caught.value) == "params.yaml: train.loss: 'dise' is unknown. Did you mean 'dice'? "
        "Known: ce, ohem, ohem_official, dice, lovasz, focal."
    )


def test_a_sum_that_cannot_be_read_is_one_line_that_says_how_to_write_it() -> None:
    with pytest.raises(ParamsError) as caught:
        check_component_names(params(train={"loss": "ce + dice*0.5"}))
    (line,) = str(caught.value).splitlines()
    assert line.startswith("params.yaml: train.loss: 'dice*0.5' in 'ce + dice*0.5' is neither")
    assert "Known: ce, ohem" in line
    assert line.endswith('such as "ce + 0.5*dice".')


@pytest.mark.parametrize("path", [*SOURCES.values(), *ARCHS.values(), *LOSSES.values()])
def test_every_import_path_of_the_tables_leads_somewhere(path: str) -> None:
    module, name = path.split(":")
    assert callable(getattr(import_module(module), name))


def test_the_names_read_from_timm_are_those_that_it_registers() -> None:
    assert timm_models() == set(timm.list_models())


def test_every_arm_has_a_folder() -> None:
    assert set(ARMS) == {
        "gan",
        "gan_unselected",
        "hybrid",
        "copy_paste",
        "copy_paste_unselected",
        "real_twice",
        "real_rim",
        "self_training",
        "mean_teacher",
    }


@pytest.mark.parametrize(
    ("section", "wrong", "meant"),
    [
        ("model", {"backbone": "resnet5O"}, "resnet50"),
        ("model", {"backbone": "hrnet_w18_smal"}, "hrnet_w18_small"),
        ("model", {"norm": "bach"}, "batch"),
        ("model", {"head_variant": "oficial"}, "official"),
        ("model", {"pretrained": "ture"}, "true"),
        ("train_gan", {"arch": "oasys"}, "oasis"),
        ("select", {"extractor": "segmentor"}, "segmenter"),
        ("select", {"extractor": "timm:resnet5O"}, "resnet50"),
        ("select", {"extractor": "timm:resnet50:pretrianed"}, "pretrained"),
        ("retrain", {"arms": ["copypaste"]}, "copy_paste"),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest(
    section: str, wrong: dict[str, Any], meant: str
) -> None:
    (key,) = wrong
    with pytest.raises(ParamsError, match=f"{section}.{key}: .*Did you mean '{meant}'") as caught:
        check_component_names(params(**{section: wrong}))
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_of_weights_has_to_be_there() -> None:
    for section, value in (
        ("model", {"pretrained": "none.pth"}),
        ("select", {"extractor": "inception:none.pth"}),
    ):
        with pytest.raises(ParamsError, match=r"'none\.pth' is no file"):
            check_component_names(params(**{section: value}))


def test_one_window_of_the_gan_has_more_than_one_value_to_normalise_by() -> None:
    one = {"batch_size": 1, "preset": "small"}
    with pytest.raises(ParamsError, match=r"train_gan.batch_size: .* \[32, 32\] .*single value"):
        check_component_names(params(train_gan={**one, "crop_size": [32, 32]}))
    check_component_names(params(train_gan={**one, "crop_size": [32, 40]}))
    check_component_names(params(train_gan={**one, "crop_size": [32, 32], "batch_size": 2}))
