"""What `pipelines.paint` makes of files that need more than decoding, and of styles of single components."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ocrnet.bundles.bundle import build_model, save_bundle
from ocrnet.bundles.card import Decoding, ModelCard
from ocrnet.data.decode import read_image, write_image, write_label_map
from ocrnet.gan.generator.network import Generator
from ocrnet.gan.generator.painter import Painter, save_painter
from ocrnet.gan.generator.presets import Preset
from pipelines.paint import main
from tests.base_params import write_params
from tests.ocrnet.conftest import CLASSES

TINY = Preset((8, 8, 4), (4, 8, 8), 4, 1, 4, 1)
PIXELS = np.random.default_rng(0).integers(0, 4096, (48, 64)).astype(np.uint16)
EDIT = (slice(20, 26), slice(30, 40))
KEPT = (slice(0, 14), slice(None))  # beyond the rim of the edit
NEAR, FAR = (slice(4, 10), slice(4, 12)), (slice(36, 44), slice(50, 60))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that the command runs in: an image of 12 bits, label maps, a GAN with a style per component."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    painter = Painter(Generator(CLASSES.num_classes, TINY), CLASSES, style="component")
    save_painter(tmp_path / "gan", painter, arch="oasis", preset_name="cpu-demo")
    Image.fromarray(PIXELS).save("deep.png")
    original = np.zeros(PIXELS.shape, np.uint8)
    edited = original.copy()
    edited[EDIT] = 1
    write("original.png", original)
    write("edited.png", edited)
    return tmp_path


def write(name: str, label_map: np.ndarray) -> None:
    write_label_map(
        Path(name), label_map, palette=CLASSES.palette, ignore_index=CLASSES.ignore_index
    )


def set_params(*, resize: list[int] | None = None, **data: Any) -> None:
    names = list(CLASSES.class_names)
    sections = {"data": {"classes": names, **data}, "prepare": {"resize": resize}}
    write_params(Path("params.yaml"), sections)


def save_model(decoding: Decoding) -> None:
    options = {"backbone": "resnet18", "mid_channels": 16, "key_channels": 8}
    card = ModelCard("ocrnet", options, CLASSES, decoding=decoding)
    save_bundle(Path("model"), card, build_model(card).state_dict())


def run(image: str, *more: str, predict: bool = False) -> int:
    known = () if predict else ("--original-mask", "original.png")
    return main(
        [image, "edited.png", "-o", "out.png", "--gan", "gan", "--model", "model", *known, *more]
    )


def assert_kept(high: int) -> None:
    """Check the kept part of the image at 8 bits: 0 stays 0, `high` becomes 255."""
    expected = np.minimum(PIXELS[KEPT] * 255.0 / high, 255)
    for channel in range(3):
        kept = read_image(Path("out.png"))[KEPT][..., channel]
        assert np.abs(kept - expected).max() <= 0.5 + 1e-9


def test_a_deep_image_is_read_by_the_range_that_the_error_asks_for(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("deep.png") == 3
    assert "set data.value_range" in capsys.readouterr().err
    set_params(value_range=[0, 4095])
    assert run("deep.png") == 0
    assert_kept(4095)
    assert run("deep.png", "--value-range", "0", "2000") == 0  # before what the params say
    assert_kept(2000)
    assert run("deep.png", "--value-range", "9", "9") == 2
    assert "--value-range: found 9 9. Give LOW below HIGH." in capsys.readouterr().err


def test_the_range_that_the_model_learned_with_goes_before_that_of_the_params(here: Path) -> None:
    set_params(value_range=[0, 4095])
    save_model(Decoding(value_range=(0.0, 3000.0)))
    assert run("deep.png") == 0
    assert_kept(3000)


def test_a_model_of_flat_images_predicts_a_deep_one_by_the_range_of_the_params(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_params(value_range=[0, 4095])
    save_model(Decoding(resize=(32, 40)))
    assert run("deep.png", predict=True) == 0
    assert "predicted by model" in capsys.readouterr().out


@pytest.mark.parametrize("by_option", [True, False])
def test_a_rotated_image_is_edited_upright(
    here: Path, by_option: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Orientation 6: the first row as stored is the last column as seen."""
    upright = np.random.default_rng(1).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    flag = Image.Exif()
    flag[0x0112] = 6
    Image.fromarray(np.rot90(upright)).save("turned.png", exif=flag)
    assert run("turned.png") == 3
    assert "set data.exif to apply" in capsys.readouterr().err
    if not by_option:
        set_params(exif="apply")
    assert run("turned.png", *(("--exif", "apply") if by_option else ())) == 0
    assert np.array_equal(read_image(Path("out.png"))[KEPT], upright[KEPT])


@pytest.mark.parametrize(("learned", "noted"), [([24, 32], True), ([48, 64], False)])
def test_an_image_at_another_scale_than_the_gan_learned_is_told(
    here: Path, learned: list[int], noted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    set_params(resize=learned)
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    write_image(Path("flat.png"), image)
    assert run("flat.png") == 0
    told = capsys.readouterr().err
    note = "paint: note: flat.png is 48 x 64 .*Resize the image and its label maps to 24 x 32\\.\n"
    assert re.fullmatch(note if noted else "", told)
    assert np.array_equal(read_image(Path("out.png"))[KEPT], image[KEPT])


@pytest.fixture
def grown(here: Path) -> Path:
    """Return the folder with two squares that an edit makes larger, a third that is new, and a strip left alone."""
    write_image(Path("flat.png"), np.full((48, 64, 3), 90, np.uint8))
    original = np.zeros(PIXELS.shape, np.uint8)
    original[6:9, 6:9] = original[38:41, 52:55] = 2
    original[:, 30] = 1
    edited = original.copy()
    edited[NEAR] = edited[FAR] = 2
    edited[36:44, 8:16] = 1
    write("original.png", original)
    write("edited.png", edited)
    return here


def painted(*more: str) -> np.ndarray:
    assert run("flat.png", *more) == 0
    return read_image(Path("out.png"))


def test_a_style_of_its_own_touches_one_component(grown: Path) -> None:
    plain = painted()
    other = painted("--style", "5", "7", "3")
    changed = np.abs(other.astype(int) - plain)
    assert changed[NEAR].max() > 3
    assert changed[FAR].max() <= 1  # a class with few pixels is lit as the whole painting is
    assert np.array_equal(painted("--style", "9", "4", "3"), other)  # any pixel of it names it
    new = np.abs(
        painted("--style", "40", "10", "3").astype(int) - plain
    )  # one that the edit put in
    assert new[36:44, 8:16].max() > 1
    assert new[NEAR].max() <= 1


@pytest.mark.parametrize(
    ("style", "message"),
    [
        (("48", "0", "1"), "outside the image of 48 x 64 .* Allowed: rows 0 to 47, columns 0 to 63"),
        (("0", "30", "1"), "no pixel of the component there is repainted"),
        (("5", "7", "1", "--style", "8", "8", "2"), "component that another --style"),
    ],
)  # fmt: skip
def test_a_style_that_cannot_be_given_is_refused(
    grown: Path, style: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("flat.png", "--style", *style) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert re.search(message, told)


def test_a_gan_of_one_style_per_image_takes_no_style_of_a_component(
    grown: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    painter = Painter(Generator(CLASSES.num_classes, TINY), CLASSES)
    save_painter(grown / "gan", painter, arch="oasis", preset_name="cpu-demo")
    assert run("flat.png", "--style", "5", "7", "1") == 3
    assert "Train it with train_gan.style component." in capsys.readouterr().err
