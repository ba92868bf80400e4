"""A bundle is data of a stranger: whatever its card or its header says, it is the same model or one line."""

import copy
import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from ocrnet.bundles.bundle import build_model, load_bundle, read_card, save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.config.untrusted_json import parse_json
from ocrnet.data.manifest import ClassTable, file_sha256
from ocrnet.errors import BundleError, DataError
from ocrnet.gan.generator.network import Generator
from ocrnet.gan.generator.painter import Painter, load_painter, save_painter
from tests.ocrnet.conftest import CLASSES
from tests.ocrnet.gan.generator.test_networks import TINY
from tests.ocrnet.gan.prepared import TABLE

FEW = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 10**20, 0.5, math.inf, math.nan, "", "8", "hf-hub:evil/model", "../x", [], [1], [[]],
    {}, {"x": 1}, [60000, 60000], "\ud800", [0.1, 0.2], 200000,
)  # fmt: skip


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    options = {"backbone": "resnet18", "mid_channels": 4, "norm": "batch", "align_corners": False}
    card = ModelCard("unet", options, CLASSES, training={"steps": 3, "val_miou": 0.5})
    save_bundle(folder, card, build_model(card).state_dict())
    return folder


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gan")
    save_painter(folder, Painter(Generator(2, TINY), TABLE), arch="oasis", preset_name="cpu-demo")
    return folder


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values inside a JSON value."""
    pairs = enumerate(value) if isinstance(value, list) else ()
    inner: Any = value.items() if isinstance(value, dict) else pairs
    return [path, *(found for key, part in inner for found in places(part, (*path, key)))]


def mutate(draw: st.DataObject, value: Any) -> Any:
    """Return a JSON value of which one part is another one, gone, or joined by a strange key."""
    value = copy.deepcopy(value)
    *outer, last = draw.draw(st.sampled_from([path for path in places(value) if path]))
    inner = value
    for key in outer:
        inner = inner[key]
    what = draw.draw(st.sampled_from(["set", "delete", "add"]))
    if what == "delete" and isinstance(inner, dict):
        del inner[last]
    elif what == "add" and isinstance(inner, dict):
        inner["strange"] = draw.draw(st.sampled_from(STRANGE))
    else:
        inner[last] = draw.draw(st.sampled_from(STRANGE))
    return value


def same_or_one_line(load: Callable[[], "dict[str, torch.Tensor]"], path: Path) -> None:
    """Load, and hold the weights against those of the file; else the error names the folder in one line."""
    told = ""
    try:
        state = load()
    except BundleError as error:
        told = str(error)
    if told:
        assert "\n" not in told
        assert path.parent.name in told
        assert len(told) < 1000
    else:
        wanted = load_file(path)
        assert {name: value.tolist() for name, value in state.items()} == {
            name: value.tolist() for name, value in wanted.items()
        }


@FEW
@given(st.data())
def test_a_wrong_card_is_the_same_model_or_one_line(bundle: Path, data: st.DataObject) -> None:
    before = (bundle / "model.json").read_text()
    try:
        (bundle / "model.json").write_text(json.dumps(mutate(data, json.loads(before))))
        same_or_one_line(
            lambda: load_bundle(bundle)[0].state_dict(), bundle / "weights.safetensors"
        )
    finally:
        (bundle / "model.json").write_text(before)


@FEW
@given(st.data())
def test_a_wrong_gan_card_is_the_same_generator_or_one_line(
    generator: Path, data: st.DataObject
) -> None:
    before = (generator / "gan.json").read_text()
    try:
        (generator / "gan.json").write_text(json.dumps(mutate(data, json.loads(before))))
        same_or_one_line(
            lambda: load_painter(generator).generator.state_dict(),
            generator / "generator.safetensors",
        )
    finally:
        (generator / "gan.json").write_text(before)


def with_header(content: bytes, change: Callable[[Any], Any]) -> bytes:
    """Return a file of safetensors with another header."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.dumps(change(json.loads(content[8 : 8 + length]))).encode()
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def put_weights(folder: Path, content: bytes) -> None:
    """Write weights, and their hash into the card: the file is what its author wanted."""
    (folder / "weights.safetensors").write_bytes(content)
    card = json.loads((folder / "model.json").read_text())
    card["weights_sha256"] = file_sha256(folder / "weights.safetensors")
    (folder / "model.json").write_text(json.dumps(card))


@FEW
@given(st.data())
def test_a_wrong_header_is_the_same_model_or_one_line(bundle: Path, data: st.DataObject) -> None:
    before = (bundle / "weights.safetensors").read_bytes()
    try:
        put_weights(bundle, with_header(before, lambda header: mutate(data, header)))
        same_or_one_line(
            lambda: load_bundle(bundle)[0].state_dict(), bundle / "weights.safetensors"
        )
    finally:
        put_weights(bundle, before)


def overlap(header: Any) -> Any:
    names = [name for name in header if name != "__metadata__"]
    same = [n for n in names if header[n]["shape"] == header[names[0]]["shape"]]
    header[same[0]]["data_offsets"] = header[same[1]]["data_offsets"]
    return header


def shape_bomb(header: Any) -> Any:
    name = next(iter(header))
    return {**header, name: {**header[name], "shape": [2**40, 2**20]}}


@pytest.mark.parametrize("change", [overlap, shape_bomb, lambda header: [header]])
def test_a_header_that_lies_is_refused(bundle: Path, change: Callable[[Any], Any]) -> None:
    before = (bundle / "weights.safetensors").read_bytes()
    put_weights(bundle, with_header(before, change))
    with pytest.raises(BundleError, match=r"weights\.safetensors: the weights do not fit"):
        load_bundle(bundle)
    put_weights(bundle, before)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_refused_by_name(bundle: Path, value: float) -> None:
    path = bundle / "weights.safetensors"
    before = path.read_bytes()
    weights = load_file(path)
    weights["classify.bias"][1] = value
    save_file(weights, path)
    put_weights(bundle, path.read_bytes())
    with pytest.raises(BundleError, match=r"'classify\.bias' has values that are not finite"):
        load_bundle(bundle)
    put_weights(bundle, before)


@pytest.mark.parametrize(
    ("keys", "value", "named"),
    [
        (("options", "backbone"), "hf-hub:evil/model", "no model of timm"),
        (("options", "backbone"), "hf_hub:evil/model", "no model of timm"),
        (("options", "backbone"), "local-dir:/etc", "no model of timm"),
        (("options", "backbone"), "https://evil.example/a", "no model of timm"),
        (("options", "backbone"), "resnet18.hf-hub:evil/model", "no model of timm"),
        (("options", "mid_channels"), 200_000, "mid_channels"),
        (("options", "mid_channels"), "8", "mid_channels"),
        (("decoding", "resize"), [60_000, 60_000], "max_pixels"),
        (("decoding", "max_pixels"), 10**12, "max_pixels"),
        (("classes", "class_names"), ["a", "a", "b"], "a duplicate"),
        (("classes", "palette"), [[0, 0, 0]], "1 colours for 3 classes"),
        (("classes", "ignore_index"), 1, "is the id of a class"),
        (("std",), [0.0, 0.2, 0.2], "std"),
    ],
)
def test_a_value_out_of_its_range_is_named(
    bundle: Path, keys: tuple[str, ...], value: object, named: str
) -> None:
    before = (bundle / "model.json").read_text()
    card = json.loads(before)
    inner = card
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    (bundle / "model.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match=named):
        read_card(bundle)
    (bundle / "model.json").write_text(before)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a": 1, "a": 2}', "NaN", "9" * 5000, '{"a": ' * 40 + "1" + "}" * 40, "\x00", ""],
)  # fmt: skip
def test_json_that_is_a_trap_is_refused(bundle: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)
    for name, load in (("model.json", load_bundle), ("gan.json", load_painter)):
        (tmp_path / name).write_text(text)
        with pytest.raises(BundleError, match=rf"{name}: "):
            load(tmp_path)
    (tmp_path / "classes.json").write_text(text)
    with pytest.raises(DataError, match=r"classes\.json: "):
        ClassTable.read(tmp_path)


def test_a_card_from_before_there_was_a_limit_has_the_default(bundle: Path) -> None:
    before = (bundle / "model.json").read_text()
    card = json.loads(before)
    del card["decoding"]["max_pixels"]
    (bundle / "model.json").write_text(json.dumps(card))
    assert read_card(bundle).decoding.max_pixels == 25_000_000
    (bundle / "model.json").write_text(before)
