"""The bundle: a folder with `weights.safetensors` and `model.json`; no pickle is read or written.

Both files are untrusted data. The card is checked strictly. The model that it describes is first built without memory
and compared with the header of the weights; then the weights are read and the model is built in memory.
"""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from ocrnet.bundles.card import CARD, SCHEMA_VERSION, ModelCard
from ocrnet.bundles.weights_file import load_weights, save_weights
from ocrnet.config.untrusted_json import check_card, read_json
from ocrnet.data.files import write_whole
from ocrnet.data.manifest import file_sha256
from ocrnet.errors import BundleError, OcrnetError
from ocrnet.models import build_segmenter
from ocrnet.models.output import SegmentationModel

WEIGHTS_FILE = "weights.safetensors"
MODEL_FILE = "model.json"
EARLIER_OPTIONS = {"form": "head_variant"}  # names of options in cards of earlier versions
OPTIONAL = ("things", "least_score")  # keys that a card has only with a value
CURE = "Restore the bundle with `dvc checkout`, or train the model again."


def build_model(card: ModelCard) -> SegmentationModel:
    """Build the untrained model that a card describes."""
    return build_segmenter(card.arch, num_classes=card.classes.num_classes, **card.options)


def save_bundle(folder: Path, card: ModelCard, weights: dict[str, Tensor]) -> None:
    """Write weights and card into `folder`."""
    save_weights(folder / WEIGHTS_FILE, weights)
    values = {name: one for name, one in asdict(card).items() if one or name not in OPTIONAL}
    values = {**values, "weights_sha256": file_sha256(folder / WEIGHTS_FILE)}
    write_whole(folder / MODEL_FILE, json.dumps(values, indent=1) + "\n")


def read_card(folder: Path) -> ModelCard:
    """Read the card of a bundle.

    Raises:
        BundleError: The card is missing, has another schema or has a wrong value.
    """
    path = folder / MODEL_FILE
    if not path.exists():
        raise BundleError(
            f"{path}: no such file. A bundle contains {MODEL_FILE} and {WEIGHTS_FILE}. Run the stage that "
            "writes it, or name another folder."
        )
    _, raw = read_json(path, cure=CURE)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if type(version) is int and version != SCHEMA_VERSION:
        raise BundleError(
            f"{path}: schema_version is {version}, but this version reads {SCHEMA_VERSION}. "
            "Use the version that wrote it, or train again."
        )
    keys = set(raw) if isinstance(raw, dict) else set()
    missing = {"schema_version", "weights_sha256", "decoding"} - keys
    if missing:
        raise BundleError(
            f"{path}: the file is not a model card: {min(missing)} is missing. {CURE}"
        )
    card: ModelCard = check_card(CARD, json.dumps(_brought_up_to_date(raw)), path, cure=CURE)
    unknown = [name for name in card.things if name not in card.classes.class_names]
    if unknown:
        raise BundleError(f"{path}: things: {unknown[0][:60]!r} is no class of the model. {CURE}")
    return card


def _brought_up_to_date(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a card, perhaps of an earlier version, under the names of this version."""
    decoding, options = raw["decoding"], raw.get("options")
    if isinstance(decoding, dict):
        # A card without these keys is from a version that ignored alpha and dropped bands.
        decoding = {"alpha": "ignore", "extra_bands": "drop", **decoding}
    if isinstance(options, dict):
        renamed = {old: new for old, new in EARLIER_OPTIONS.items() if new not in options}
        options = {renamed.get(name, name): value for name, value in options.items()}
    return {**raw, "decoding": decoding} | ({} if options is None else {"options": options})


def load_bundle(folder: Path) -> tuple[SegmentationModel, ModelCard]:
    """Rebuild the model of a bundle, in eval mode on the CPU.

    Raises:
        BundleError: A file is missing or damaged, or the weights do not fit the model.
    """
    card = read_card(folder)
    path = folder / WEIGHTS_FILE
    if not path.is_file() or file_sha256(path) != card.weights_sha256:
        raise BundleError(
            f"{path}: the file is missing or has another hash than in {MODEL_FILE}. Restore it with `dvc checkout`."
        )
    try:
        model = load_weights(path, partial(build_model, card))
    except (OcrnetError, ValueError, OSError, RuntimeError, TypeError, AssertionError,
            AttributeError, LookupError, ArithmeticError) as error:  # fmt: skip
        # A timm backbone without feature maps may raise any of these errors.
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise BundleError(
            f"{path}: the weights do not fit {card.arch}: {reason}. {CURE}"
        ) from error
    return model.eval(), card
