"""A file is taken whole, or refused in one line that leaves the model as it was."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from ocrnet.bundles.bundle import WEIGHTS_FILE, save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import BundleError
from ocrnet.models import ARCHS, build_segmenter
from ocrnet.models.norm_policies import NORMS, apply_norm
from ocrnet.models.output import SegmentationModel
from ocrnet.weights import load_weights
from tests.ocrnet.weights.models import CLASSES, KEY, MID, copied, small_ocrnet
from tests.ocrnet.weights.released import disturbed
from tests.ocrnet.weights.released_mmseg import MmsegResNetOcr

Write = Callable[[Path], object]


class Intruder:
    """Unpickling it with torch's old reader would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def truncated(path: Path) -> None:
    torch.save({"state_dict": {"conv1.weight": torch.zeros(64, 3, 7, 7)}}, path)
    path.write_bytes(path.read_bytes()[:-200])


def truncated_safetensors(path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("absent.pth", lambda path: None, "absent.pth: no such file"),
        ("bundle", lambda path: path.mkdir(), "weights.safetensors: no such file"),
        ("empty.pth", lambda path: path.write_bytes(b""), "empty.pth: the file is damaged"),
        ("page.pth", lambda path: path.write_text("<html>Not found</html>"), "page.pth: the file is damaged"),
        ("cut.pth", truncated, "cut.pth: the file is damaged"),
        ("cut.safetensors", truncated_safetensors, "cut.safetensors: the file is damaged"),
        ("page.safetensors", lambda path: path.write_text("<html>"), "page.safetensors: the file is damaged"),
        ("tensor.pth", lambda path: torch.save(torch.zeros(3), path), "expected a state dict, found Tensor"),
        ("empty_dict.pth", lambda path: torch.save({}, path), "expected a state dict, found dict"),
        ("epoch.pth", lambda path: torch.save({"epoch": 3}, path), "the entry 'epoch' is no tensor"),
        ("numbers.pth", lambda path: torch.save({1: torch.zeros(3)}, path), "expected a state dict"),
        (
            "whole_model.pth",
            lambda path: torch.save(torch.nn.Linear(2, 2), path),
            "whole_model.pth: the file contains code",
        ),
        (
            "foreign.pth",
            lambda path: torch.save({"weight": torch.zeros(3)}, path),
            "0 of 100 entries of the backbone",
        ),
    ],
)  # fmt: skip
def test_files_that_are_no_weights_are_refused(
    tmp_path: Path, name: str, write: Write, message: str
) -> None:
    write(tmp_path / name)
    model = small_ocrnet("resnet18")
    before = copied(model)
    with pytest.raises(BundleError) as caught:
        load_weights(model, tmp_path / name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_code_in_a_file_does_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": Intruder(tmp_path / "made")}, tmp_path / "trap.pth")
    with pytest.raises(
        BundleError, match=r"trap\.pth: the file contains code or objects besides weights"
    ):
        load_weights(small_ocrnet("resnet18"), tmp_path / "trap.pth")
    assert not (tmp_path / "made").exists()


def test_a_file_of_another_backbone_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    """Nearly all names of ResNet-34 are there for ResNet-18, but not the other way round."""
    save_file(timm.create_model("resnet18").state_dict(), tmp_path / "resnet18.safetensors")
    model = small_ocrnet("resnet34")
    before = copied(model)
    with pytest.raises(BundleError) as caught:
        load_weights(model, tmp_path / "resnet18.safetensors")
    message = str(caught.value)
    assert "found 100 of 180 entries of the backbone, at least 95% are needed" in message
    assert "a backbone alone" in message
    assert "the first missing entry is backbone.net.layer1.2.conv1.weight" in message
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_names_that_match_in_another_shape_do_not_count(tmp_path: Path) -> None:
    state = MmsegResNetOcr(CLASSES).state_dict()
    torch.save(state, tmp_path / "mmseg.pth")
    with pytest.raises(BundleError) as caught:
        load_weights(small_ocrnet("deepbase_resnet50"), tmp_path / "mmseg.pth")
    assert "looks like mmsegmentation" in str(caught.value)
    first = "backbone.net.conv1.0.weight (shape [32, 3, 3, 3], expected [64, 3, 3, 3])"
    assert first in str(caught.value)


def test_the_limit_is_95_percent(tmp_path: Path) -> None:
    """Of 100 entries 95 are enough and 94 are not."""
    state = timm.create_model("resnet18").state_dict()
    entries = [k for k in state if not k.startswith("fc.") and not k.endswith("batches_tracked")]
    assert len(entries) == 100
    model = small_ocrnet("resnet18")
    for dropped, ok in ((5, True), (6, False)):
        kept = {k: v for k, v in state.items() if k not in entries[-dropped:]}
        save_file(kept, tmp_path / "some.safetensors")
        if ok:
            report = load_weights(model, tmp_path / "some.safetensors")
            assert sum(name.startswith("backbone.") for name in report.missing) == dropped
        else:
            with pytest.raises(BundleError, match="94 of 100"):
                load_weights(model, tmp_path / "some.safetensors")


def bundle_of(model: SegmentationModel, folder: Path) -> Path:
    table = ClassTable(tuple(f"class {i}" for i in range(CLASSES)), ((0, 0, 0),) * CLASSES, 255)
    save_bundle(folder, ModelCard("ocrnet", {}, table), model.state_dict())
    return folder


@pytest.mark.parametrize("inside", [".", WEIGHTS_FILE])
def test_a_bundle_of_ours_changes_nothing_the_second_time(tmp_path: Path, inside: str) -> None:
    trained = disturbed(small_ocrnet("resnet18"))
    path = bundle_of(trained, tmp_path / "bundle") / inside
    model = small_ocrnet("resnet18")
    first = load_weights(model, path)
    loaded = copied(model)
    assert load_weights(model, path) == first
    assert first.format == "ours"
    assert len(first.loaded) == first.total
    rest = (first.renamed, first.converted, first.left_out, first.missing, first.unexpected)
    assert rest == ((), (), (), (), ())
    for name, value in trained.state_dict().items():
        assert torch.equal(loaded[name], value)
        assert torch.equal(model.state_dict()[name], value)


def test_weights_that_a_bundles_card_does_not_name_are_refused(tmp_path: Path) -> None:
    """A file of the right form with other numbers is not what was evaluated."""
    folder = bundle_of(small_ocrnet("resnet18"), tmp_path)
    save_file(disturbed(small_ocrnet("resnet18")).state_dict(), folder / WEIGHTS_FILE)
    with pytest.raises(BundleError, match=r"another hash than in model\.json"):
        load_weights(small_ocrnet("resnet18"), folder)


@pytest.mark.parametrize("arch", list(ARCHS))
def test_every_architecture_takes_a_bundle_of_other_classes(tmp_path: Path, arch: str) -> None:
    """Only what depends on the number of classes is left out, and it is said."""
    options: dict[str, Any] = {
        "backbone": "resnet18",
        "mid_channels": 16,
        "key_channels": 8,
        "prototypes": 4,
    }
    save_file(
        disturbed(build_segmenter(arch, num_classes=7, **options)).state_dict(),
        tmp_path / WEIGHTS_FILE,
    )
    model = build_segmenter(arch, num_classes=3, **options)
    report = load_weights(model, tmp_path)
    assert report.format == "ours"
    assert report.left_out
    assert not report.missing
    assert not report.unexpected
    assert not report.warnings
    assert {model.state_dict()[name].shape[0] for name in report.left_out} == {3}


def test_a_training_in_many_processes_leaves_its_prefix(tmp_path: Path) -> None:
    state = small_ocrnet("resnet18").state_dict()
    torch.save({"model": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "ddp.pt")
    model = small_ocrnet("resnet18")
    report = load_weights(model, tmp_path / "ddp.pt")
    assert report.format == "ours"
    assert len(report.loaded) == report.total


def test_a_backbone_whose_stages_are_flattened_by_feature_extraction(tmp_path: Path) -> None:
    """What a classifier of timm calls `stages.0` is `stages_0` where it gives features."""
    theirs = timm.create_model("convnext_atto")
    save_file(theirs.state_dict(), tmp_path / "convnext.safetensors")
    model = small_ocrnet("convnext_atto")
    report = load_weights(model, tmp_path / "convnext.safetensors")
    assert not any(name.startswith("backbone.") for name in report.missing)
    got = model.state_dict()["backbone.net.stages_2.blocks.3.conv_dw.weight"]
    assert torch.equal(got, theirs.state_dict()["stages.2.blocks.3.conv_dw.weight"])


@pytest.mark.parametrize("norm", list(NORMS))
def test_every_norm_policy_takes_weights_of_batch_norms(tmp_path: Path, norm: str) -> None:
    """A group norm takes the scales, has no use for the statistics, and the report says so."""
    save_file(timm.create_model("resnet18").state_dict(), tmp_path / "resnet18.safetensors")
    model = small_ocrnet("resnet18")
    apply_norm(model, norm)
    report = load_weights(model, tmp_path / "resnet18.safetensors")
    assert not any(name.startswith("backbone.") for name in report.missing)
    assert any("statistics are not" in warning for warning in report.warnings) == (norm == "group")
    assert ("bn1.running_var" in report.unexpected) == (norm == "group")


def test_the_report_fits_a_screen(tmp_path: Path) -> None:
    torch.save(MmsegResNetOcr(CLASSES, MID, KEY).state_dict(), tmp_path / "mmseg.pth")
    text = str(
        load_weights(small_ocrnet("resnet50c", head_variant="mmseg"), tmp_path / "mmseg.pth")
    )
    assert len(text.splitlines()) <= 24
    assert all(len(line) <= 400 for line in text.splitlines())
    assert "mmseg, 326 of 326 entries loaded" in text
    assert "bias := 0 (the file's convolution has none): 2" in text
