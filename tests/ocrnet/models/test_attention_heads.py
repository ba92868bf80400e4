"""Heads of `model.instances: attention`."""

from pathlib import Path
from typing import Any

import pytest
import torch

from ocrnet.bundles.bundle import build_model, load_bundle, save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.models.attention_heads import EMBEDDING, QUERY, box_sides, mask_logits, object_maps
from ocrnet.models.folded_heads import fold_heads
from ocrnet.models.output import cell_maps
from tests.ocrnet.conftest import CLASSES
from tests.ocrnet.models.test_instance_heads import SMALL, model_of


@pytest.fixture(scope="module")
def models() -> dict[str, torch.nn.Module]:
    return {arch: model_of(arch, instances="attention") for arch in ("ocrnet", "ocr_cascade")}


@pytest.mark.parametrize("arch", ["ocrnet", "ocr_cascade"])
def test_semantic_heads_read_three_quarters_and_detection_one(
    models: dict[str, torch.nn.Module], arch: str
) -> None:
    """With the gradient of the logits, no channel of detection; with that of the heat, no other one."""
    model: Any = models[arch]
    shared: list[torch.Tensor] = []
    levels = model.backbone.levels

    def kept(images: torch.Tensor):  # type: ignore[no-untyped-def]
        found = levels(images)
        main = [one.detach().requires_grad_() for one in found.main]
        shared[:] = main
        return type(found)(main if found.aux is found.main else found.aux, main)

    model.backbone.levels = kept
    try:
        output = model(torch.randn(1, 3, 64, 96))
    finally:
        del model.backbone.levels
    heat = object_maps(output.instances).heat
    for result, of_detection in ((output.logits, False), (heat, True)):
        for level, grad in zip(
            shared,
            torch.autograd.grad(result.square().sum(), shared, retain_graph=True),
            strict=True,
        ):
            is_read = grad.abs().amax(dim=(0, 2, 3)) > 0
            first = torch.arange(level.shape[1]) < level.shape[1] // 4
            assert not (is_read & (first != of_detection)).any()
            assert is_read.any()


@pytest.mark.parametrize("arch", ["ocrnet", "ocr_cascade"])
@pytest.mark.parametrize("size", [(64, 64), (65, 97), (40, 130)])
def test_maps_of_every_size(
    models: dict[str, torch.nn.Module], arch: str, size: tuple[int, int]
) -> None:
    with torch.inference_mode():
        maps, cell = cell_maps(models[arch], torch.randn(1, 3, *size))  # type: ignore[arg-type]
    parts = object_maps(maps)
    counts = [part.shape[1] for part in parts]
    assert counts == [CLASSES.num_classes, 4, QUERY, EMBEDDING]
    for side, of_cell, of_image in zip(maps.shape[-2:], cell, size, strict=True):
        assert side * of_cell == pytest.approx(max(of_image, 64))


def test_a_query_that_has_learned_nothing_gives_the_ellipse_in_the_box(
    models: dict[str, torch.nn.Module],
) -> None:
    bias = models["ocrnet"].instance_heads.query.bias  # type: ignore[union-attr]
    query = torch.zeros(1, QUERY)
    query[:, EMBEDDING:] = bias[EMBEDDING:].detach()  # type: ignore[index]
    steps = torch.linspace(-1.5, 1.5, 31)
    places = torch.stack(torch.meshgrid(steps, steps, indexing="ij"))[None]
    mask = mask_logits(query, torch.randn(1, EMBEDDING, 31, 31), places)[0] > 1e-4
    assert torch.equal(mask, places[0].square().sum(dim=0) < 1 - 1e-4)


def test_sides_lead_out_of_the_cell_whatever_the_maps_are() -> None:
    sides = box_sides(torch.tensor([[-30.0, 0.0, 1.0, 100.0]]))
    assert (sides > 0).all()
    assert sides[0, 3] == pytest.approx(1600)


def test_a_bundle_keeps_the_heads_and_folding_changes_only_rounding(
    models: dict[str, torch.nn.Module], tmp_path: Path
) -> None:
    card = ModelCard("ocrnet", {**SMALL, "instances": "attention"}, CLASSES, things=("square",))
    assert set(build_model(card).state_dict()) == set(models["ocrnet"].state_dict())
    save_bundle(tmp_path, card, models["ocrnet"].state_dict())
    loaded, read = load_bundle(tmp_path)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        expected, found = models["ocrnet"](images), fold_heads(loaded.eval())(images)
    assert torch.equal(found.instances, expected.instances)
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-3, atol=1e-4)
    assert read.options["instances"] == "attention"
