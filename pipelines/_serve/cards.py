"""The card of a model as HTML: network, classes, data, scores, lineage."""

import math
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from ocrnet.bundles.card import ModelCard
from ocrnet.data.manifest import MANIFEST_FILE, SPLITS, read_manifest
from ocrnet.errors import DataError, OcrnetError
from ocrnet.models.network_size import size_of_network
from pipelines._serve.evaluations import Known
from pipelines._serve.models import ServedModel
from pipelines._serve.pictures import note, swatch

SCORE_NAMES = {
    "miou": "mIoU", "accuracy": "accuracy", "mean_accuracy": "mean accuracy", "boundary_miou": "boundary mIoU",
    "calibration_error": "calibration error", "val_miou": "mIoU on the validation split",
}  # fmt: skip
TAG_NAMES = {
    "ocrnet.stage": "stage", "arm": "arm", "seed": "seed", "git.sha": "commit", "git.dirty": "uncommitted changes",
    "dvc.data_md5": "raw data", "dvc.lock_md5": "dvc.lock", "params.sha": "params", "dvc.stage_key": "stage key",
    "prefect.flow_run_id": "flow run", "ocrnet.fingerprint": "fingerprint", "fingerprint": "fingerprint",
    "verdict": "verdict",
}  # fmt: skip

Rows = Iterable[tuple[str, str]]


def card_html(model: ServedModel, known: Known, prepared: Path) -> str:
    """Return the card of a model.

    Args:
        model: Model of the server.
        known: Its scores and its lineage.
        prepared: Prepared set of its training, if the hash of its test split says so; it may be missing.
    """
    segmenter, card = model.predictor.segmenter, model.predictor.segmenter.card
    parts = [
        f"<h3>{escape(model.title)}</h3>",
        _table("Model", [*_network_rows(card), ("weights", segmenter.weights_sha256)]),
        _classes(card, known),
        _table("Decoding of images", _decoding_rows(card)),
        _table("Data", _data_rows(known, prepared)),
        _scores(known),
        _table("Lineage", _lineage_rows(known.lineage)),
    ]
    return "".join(parts)


def _network_rows(card: ModelCard) -> Rows:
    yield "architecture", card.arch
    for name, value in card.options.items():
        yield name.replace("_", " "), str(value)
    if card.options:  # the card of an exported file does not have them
        try:
            size = size_of_network(card.arch, card.classes.num_classes, card.options, (256, 256))
        except OcrnetError as error:
            yield "parameters", str(error)
        else:
            yield "parameters", f"{size.parameters:,}"
            yield "multiply-adds of 256 x 256 pixels", f"{size.multiply_adds:,}"
    for name, value in (card.training or {}).items():
        yield f"training: {name.replace('_', ' ')}", str(value)


def _classes(card: ModelCard, known: Known) -> str:
    iou: list[Any] = [None] * card.classes.num_classes
    if known.evaluation is not None:
        iou = list(known.evaluation.model.get("iou", iou))
    rows = "".join(
        f"<tr><td>{swatch(color)}</td><td>{escape(name)}</td><td>{_percent(value)}</td>"
        f"<td>{'yes' if name in card.things else ''}</td></tr>"
        for name, color, value in zip(card.classes.class_names, card.classes.palette, iou, strict=True)
    )  # fmt: skip
    head = "<thead><tr><th></th><th>class</th><th>IoU on the test split</th><th>objects</th></tr></thead>"
    return f"<h4>Classes</h4><table class='areas'>{head}<tbody>{rows}</tbody></table>"


def _decoding_rows(card: ModelCard) -> Rows:
    decoding = card.decoding
    yield "size", "kept" if decoding.resize is None else "{} x {}".format(*decoding.resize)
    values = decoding.value_range
    yield (
        "value range above 8 bits",
        "none" if values is None else f"{values[0]:g} to {values[1]:g}",
    )
    yield "rotation flag", decoding.exif
    yield "transparent pixels", decoding.alpha
    yield "further bands", decoding.extra_bands
    yield "largest image", f"{decoding.max_pixels:,} pixels"


def _data_rows(known: Known, prepared: Path) -> Rows:
    if data := known.lineage.get("dvc.data_md5"):
        yield "raw data", data
    if known.evaluation is None:
        return
    yield "test split", known.evaluation.test_sha256
    yield "test images", str(len(known.evaluation.images))
    if not (prepared / MANIFEST_FILE).is_file():
        return
    try:
        table = read_manifest(prepared)
    except DataError as error:
        yield str(prepared), str(error)
        return
    for split in SPLITS:
        part = table[table["split"] == split]
        yield f"{split} images in {prepared}", f"{len(part)} of {part['group'].nunique()} groups"


def _scores(known: Known) -> str:
    if known.evaluation is None:
        return f"<h4>Scores</h4>{note(f'There are no scores of this model: {known.fault}')}"
    found = known.evaluation
    rows = [(words, _percent(found.model.get(key))) for key, words in SCORE_NAMES.items()]
    rows += [("protocol", found.protocol), ("from", found.place)]
    return _table("Scores on the test split", rows)


def _lineage_rows(tags: Mapping[str, str]) -> Rows:
    for key, words in TAG_NAMES.items():
        if key in tags:
            yield words, tags[key]
    for key, value in tags.items():
        if key.startswith("params: "):
            yield key, value


def _percent(value: Any) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.1%}"


def _table(title: str, rows: Rows) -> str:
    cells = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows if value
    )
    if not cells:
        return f"<h4>{escape(title)}</h4>{note('Nothing is known.')}"
    return f"<h4>{escape(title)}</h4><table class='facts'><tbody>{cells}</tbody></table>"
