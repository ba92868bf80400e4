"""Extractors: a contract over all kinds, and their names."""

from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor

from ocrnet.bundles.bundle import build_model, load_bundle, read_card, save_bundle
from ocrnet.bundles.card import IMAGENET_MEAN, IMAGENET_STD, ModelCard
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import BundleError, ParamsError
from ocrnet.gan.quality import extractor_lines, parse_extractor
from ocrnet.gan.quality.extractors import FeatureExtractor, build_extractor
from ocrnet.models import ARCHS
from ocrnet.models.backbones import JoinedBackbone
from ocrnet.models.output import normalise
from ocrnet.runtime import seeded

TABLE = ClassTable(("floor", "wall"), ((0, 0, 0), (200, 30, 30)))
OPTIONS = {"backbone": "resnet18", "mid_channels": 16, "key_channels": 8, "prototypes": 4}


def baseline(folder: Path, *, arch: str = "ocrnet", backbone: str = "resnet18") -> Path:
    card = ModelCard(arch, {**OPTIONS, "backbone": backbone}, TABLE)
    with seeded("test-extractor"):
        model = build_model(card)
    save_bundle(folder, card, model.state_dict())
    return folder


def _row(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)


def image(seed: int, size: tuple[int, int] = (64, 64)) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return baseline(tmp_path_factory.mktemp("baseline"))


def check_contract(extractor: FeatureExtractor) -> None:
    """Vectors of the told length, of one image whatever is beside it, the same again, without gradients."""
    assert isinstance(extractor, FeatureExtractor)
    first = extractor.features(image(0))
    assert first.shape == (1, extractor.dim)
    assert first.dtype == torch.float32
    assert not first.requires_grad
    assert torch.equal(first, extractor.features(image(0)))
    together = extractor.features(torch.cat([image(1), image(0)]))
    torch.testing.assert_close(together[1:], first, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0], together[1], rtol=1e-3)
    assert len(extractor.sha256) == 64


@pytest.mark.parametrize("text", ["segmenter", "random-conv"])
def test_extractors_keep_the_contract(text: str, trained: Path) -> None:
    built = [build_extractor(parse_extractor(text), baseline=trained) for _ in range(2)]
    check_contract(built[0])
    assert (built[0].name, built[0].resize) == (text, "none")
    assert built[0].sha256 == built[1].sha256
    assert torch.equal(*(extractor.features(image(0)) for extractor in built))
    # Sizes that no stride divides.
    assert built[0].features(image(0, (45, 37))).shape == (1, built[0].dim)


@pytest.mark.parametrize("arch", ARCHS)
def test_every_architecture_gives_features(arch: str, tmp_path: Path) -> None:
    extractor = build_extractor(
        parse_extractor("segmenter"), baseline=baseline(tmp_path, arch=arch)
    )
    check_contract(extractor)


def test_a_joined_backbone_gives_the_mean_of_each_level(tmp_path: Path) -> None:
    folder = baseline(tmp_path, backbone="hrnet_w18_small")
    extractor = build_extractor(parse_extractor("segmenter"), baseline=folder)
    check_contract(extractor)
    model, card = load_bundle(folder)
    pixels = normalise(image(0), mean=_row(card.mean), std=_row(card.std))
    assert isinstance(model.backbone, JoinedBackbone)
    with torch.no_grad():
        levels = model.backbone.levels(pixels).main
    expected = torch.cat([level.flatten(2).mean(dim=2) for level in levels], dim=1)
    assert len(levels) == 4
    torch.testing.assert_close(extractor.features(image(0)), expected)


def test_the_hash_of_the_segmenter_is_that_of_its_bundle(trained: Path) -> None:
    extractor = build_extractor(parse_extractor("segmenter"), baseline=trained)
    assert extractor.sha256 == read_card(trained).weights_sha256


def test_timm_without_weights_is_random_and_says_so(
    trained: Path, caplog: pytest.LogCaptureFixture
) -> None:
    extractor = build_extractor(parse_extractor("timm:resnet18"), baseline=trained)
    check_contract(extractor)
    assert (extractor.name, extractor.dim) == ("timm:resnet18 random", 512)
    assert extractor.resize == "224x224 bilinear"
    assert "timm:resnet18 has random weights" in caplog.text


def test_timm_takes_a_file_with_or_without_its_classifier(trained: Path, tmp_path: Path) -> None:
    with seeded("a file"):
        net = timm.create_model("resnet18", pretrained=False)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    extractor = build_extractor(
        parse_extractor(f"timm:resnet18:{tmp_path}/net.pth"), baseline=trained
    )
    assert extractor.name == "timm:resnet18"
    pixels = torch.nn.functional.interpolate(
        image(0).float() / 255, size=(224, 224), mode="bilinear", antialias=True
    )
    mean, std = _row(IMAGENET_MEAN), _row(IMAGENET_STD)
    with torch.no_grad():
        expected = net.eval().forward_features((pixels - mean) / std).mean(dim=(2, 3))
    torch.testing.assert_close(extractor.features(image(0)), expected, rtol=1e-3, atol=1e-4)


def test_a_file_of_another_network_is_refused_in_one_line(trained: Path, tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "other.pth")
    for text in (f"timm:resnet18:{tmp_path}/other.pth", f"inception:{tmp_path}/other.pth"):
        with pytest.raises(BundleError, match=r"other\.pth does not fit the network") as caught:
            build_extractor(parse_extractor(text), baseline=trained)
        assert "\n" not in str(caught.value)
    with pytest.raises(BundleError, match=r"select\.extractor: .*none\.pth: no such file"):
        build_extractor(parse_extractor("inception:none.pth"), baseline=trained)


def test_inception_gives_its_last_pooling(trained: Path, tmp_path: Path) -> None:
    """The file's own normalisation: its weights are for images in [-1, 1]."""
    from torchvision.models import inception_v3

    with seeded("inception"):
        net = inception_v3(weights=None, aux_logits=True, transform_input=True, init_weights=False)
    torch.save(net.state_dict(), tmp_path / "inception.pth")
    extractor = build_extractor(
        parse_extractor(f"inception:{tmp_path}/inception.pth"), baseline=trained
    )
    assert (extractor.name, extractor.dim, extractor.resize) == (
        "inception",
        2048,
        "299x299 bilinear",
    )
    net.fc = torch.nn.Identity()
    pixels = torch.nn.functional.interpolate(
        image(0).float() / 255, size=(299, 299), mode="bilinear", antialias=True
    )
    mean, std = _row(IMAGENET_MEAN), _row(IMAGENET_STD)
    with torch.no_grad():
        expected = net.eval()((pixels - mean) / std)
    torch.testing.assert_close(extractor.features(image(0)), expected, rtol=1e-3, atol=1e-4)


def test_inception_without_a_file_is_refused_before_anything_runs() -> None:
    with pytest.raises(ParamsError, match=r"inception:FILE") as caught:
        parse_extractor("inception")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "segmentor", "timm", "timm:", "segmenter:x", "random-conv:2"])
def test_unknown_names_are_told_with_the_known_ones(text: str) -> None:
    (line,) = extractor_lines(text, {"resnet18"})
    assert f"{text!r} is unknown." in line
    assert "Known: segmenter, timm:NAME" in line
    assert f"mean {text.partition(':')[0]!r}" not in line


def test_names_of_timm_are_checked_without_their_tag_and_file(tmp_path: Path) -> None:
    known = {"resnet18"}
    file = tmp_path / "some:file.pth"
    (missing,) = extractor_lines(f"timm:resnet18.a1_in1k:{file}", known)
    assert f"'{file}' is no file" in missing
    file.touch()
    assert extractor_lines(f"timm:resnet18.a1_in1k:{file}", known) == []
    (line,) = extractor_lines("timm:resnet19", known)
    assert "timm has no 'resnet19'. Did you mean 'resnet18'?" in line
    assert parse_extractor("timm:resnet18:C:/file.pth").weights == "C:/file.pth"
    assert extractor_lines("segmenter", known) == extractor_lines(f"inception:{file}", known) == []
