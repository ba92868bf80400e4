"""What the tests of the selection share."""

from pathlib import Path

from ocrnet.config import SelectParams, SynthesizeParams
from ocrnet.gan.layouts.synthesize import synthesize_pairs
from ocrnet.gan.quality import parse_extractor
from ocrnet.gan.quality.extractors import FeatureExtractor, build_extractor
from ocrnet.gan.quality.features import FeatureBank
from ocrnet.gan.selection.select import select_pairs
from ocrnet.record import Recorder
from tests.base_params import section_with
from tests.ocrnet.gan.street import (
    ColourPainter,
    ColourReader,
)


def synthesize(prepared: Path, out: Path, painter: ColourPainter, *, count: int = 8) -> Path:
    params = section_with(
        SynthesizeParams, count=count, operations={"train": 1.0, "copy_paste": 1.0}
    )
    synthesize_pairs(prepared, params, painter=painter, out=out, recorder=Recorder(out))
    return out / "gan"


def select(prepared: Path, pairs: Path, out: Path, **params: float | str) -> dict[str, float]:
    """Select, without looking for copies where that is not asked for: toy paintings look like the photographs."""
    recorder = Recorder(out)
    chosen = section_with(SelectParams, **{"near_duplicate": 0.0, **params})
    return select_pairs(
        prepared, pairs, chosen, segmenter=ColourReader(), features=FeatureBank(random_conv()), out=out,
        recorder=recorder,
    )  # fmt: skip


def random_conv() -> FeatureExtractor:
    return build_extractor(parse_extractor("random-conv"), baseline=Path())
