"""What an exported file says about itself: a JSON text under the key `ocrnet` of its metadata."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from ocrnet.bundles.card import Decoding, Mean, ModelCard, Std
from ocrnet.config.untrusted_json import MAX_BYTES, STRICT, check_card, parse_json
from ocrnet.data.manifest import CheckedClasses
from ocrnet.errors import BundleError
from ocrnet.models import ARCHS

KEY = "ocrnet"
CURE = "Export the model again with `ocrnet export`."
Layout = Literal["nhwc", "nchw"]
Side = Annotated[int, Field(ge=1, le=1 << 16)]


def _check_arch(arch: str) -> str:
    if arch not in ARCHS:
        raise ValueError(f"unknown. Known: {', '.join(ARCHS)}")
    return arch


@dataclass(frozen=True)
class ExportCard:
    """The facts that a program needs to use an exported file.

    Args:
        arch: Name in `ocrnet.models.ARCHS`.
        classes: Names, palette and ignored id.
        mean: Mean of RGB in [0, 1] that images are normalised with.
        std: Standard deviation of RGB in [0, 1] that images are normalised with.
        decoding: Decoding of the raw training images by `prepare`.
        source: Name of the model that was exported, for people.
        weights_sha256: SHA-256 of the weights of that model.
        is_raw: Whether the file takes normalised images and gives logits; else it takes pixels and gives label maps.
        probabilities: Whether it also gives probabilities.
        layout: Order of the axes of its input: N H W 3 or N 3 H W.
        size: Height and width of its images, in pixels; None: any.
        precision: Numbers of its convolutions.
        things: Names of the classes whose objects are told apart.
        least_score: Least score of a predicted object.
        instances: Kind of the instance heads whose maps the file also gives; none: it gives no maps.
        multiple: Multiple in pixels to which the network pads the sides of images.
        schema_version: Version of this card's schema.
    """

    __pydantic_config__ = STRICT

    arch: Annotated[str, AfterValidator(_check_arch)]
    classes: CheckedClasses
    mean: tuple[Mean, Mean, Mean]
    std: tuple[Std, Std, Std]
    decoding: Decoding
    source: Annotated[str, Field(max_length=4096)]
    weights_sha256: Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
    is_raw: bool = False
    probabilities: bool = False
    layout: Layout = "nhwc"
    size: tuple[Side, Side] | None = None
    precision: Literal["float32", "int8"] = "float32"
    things: Annotated[tuple[str, ...], Field(max_length=255)] = ()
    least_score: Annotated[float, Field(ge=0, le=1)] = 0.0
    instances: Literal["none", "offsets", "attention"] = "none"
    multiple: Side = 1
    schema_version: Literal[1] = 1

    @property
    def text(self) -> str:
        """The card as JSON."""
        return json.dumps(asdict(self))

    def model_card(self, sha256: str) -> ModelCard:
        """Return the card of a segmenter that runs the file.

        Args:
            sha256: SHA-256 of the file, which stands for its weights.
        """
        return ModelCard(
            self.arch, {}, self.classes, self.mean, self.std, self.decoding,
            things=self.things, least_score=self.least_score, weights_sha256=sha256,
        )  # fmt: skip


CARD: TypeAdapter[ExportCard] = TypeAdapter(ExportCard)


def read_export_card(metadata: dict[str, str], path: Path) -> ExportCard:
    """Return the card in the metadata of a file.

    Args:
        metadata: Texts of the file by their keys.
        path: Path of the file, for messages.

    Raises:
        BundleError: The file has no card, or one with a wrong value.
    """
    text = metadata.get(KEY, "")
    if not text:
        raise BundleError(
            f"{path}: its metadata has no key {KEY}, so its classes are unknown. {CURE}"
        )
    try:
        if len(text) > MAX_BYTES:
            raise ValueError(f"its card has {len(text)} characters, allowed are {MAX_BYTES}")
        parse_json(text)
    except ValueError as error:
        raise BundleError(f"{path}: {' '.join(str(error).split())[:200]}. {CURE}") from None
    card: ExportCard = check_card(CARD, text, path, cure=CURE)
    unknown = [name for name in card.things if name not in card.classes.class_names]
    if unknown:
        raise BundleError(f"{path}: things: {unknown[0][:60]!r} is no class of the model. {CURE}")
    return card
