"""The tab with the test images of a model, worst first."""

import math
from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

from ocrnet.errors import DataError
from pipelines._serve.models import BusyError
from pipelines._serve.pictures import note, swatch
from pipelines._serve.scored_images import ScoredImages, Shown

AT_ONCE = 24  # pictures of the gallery
CHOOSE = "Choose an image, and its true and predicted label maps appear here."


class GalleryTab:
    """The answers of the tab.

    Args:
        images: Test images of each model, by the model's name.
    """

    def __init__(self, images: Mapping[str, ScoredImages]) -> None:
        self._images = images

    def pages(self, name: str) -> Any:
        """Return the choice among parts of the list."""
        count = len(self._images[name].scores)
        starts = range(0, count, AT_ONCE)
        choices = [(f"{start + 1} to {min(start + AT_ONCE, count)}", start) for start in starts]
        return gr.Dropdown(choices=choices, value=0 if count else None, visible=count > AT_ONCE)

    def fill(self, name: str, start: int | None) -> list[Any]:
        """Return the pictures of a part of the list, and a note."""
        images = self._images[name]
        if images.evaluation is None:
            return [
                [],
                note(f"No test images of this model can be shown: {images.fault}", fault=True),
            ]
        first = start or 0
        rows = images.scores[first : first + AT_ONCE]
        try:
            pictures = [
                (images.small(one), f"{first + index + 1}. {score:.1%} {one}")
                for index, (one, score) in enumerate(rows)
            ]
        except DataError as error:
            return [[], note(str(error), fault=True)]
        words = (
            f"{len(images.scores)} test images, worst first, by their mIoU in {images.evaluation.place} "
            f"({images.evaluation.protocol})."
        )
        return [pictures, note(words)]

    def choose(self, name: str, start: int | None, event: gr.SelectData) -> list[Any]:
        """Return the pictures and the scores of a chosen image."""
        images, place = self._images[name], (start or 0) + int(event.index)
        if not 0 <= place < len(images.scores):
            return self.nothing()
        image, score = images.scores[place]
        try:
            shown = images.show(image)
        except (DataError, BusyError) as error:
            return [None, None, None, note(str(error), fault=True)]
        return [shown.truth, shown.predicted, shown.wrong, _table(images, shown, score)]

    def nothing(self) -> list[Any]:
        """Return no pictures."""
        return [None, None, None, note(CHOOSE)]


def gallery_tab(page: gr.Blocks, images: Mapping[str, ScoredImages]) -> None:
    """Build the tab in the page that is being built."""
    tab, names = GalleryTab(images), list(images)
    with gr.Row():
        name = gr.Radio(
            label="Model", choices=[(one.model.title, key) for key, one in images.items()],
            value=names[0], visible=len(names) > 1, elem_id="gallery-model",
        )  # fmt: skip
        start = gr.Dropdown(
            label="Images", choices=[], visible=False, interactive=True, elem_id="gallery-page"
        )
    words = gr.HTML("", elem_id="gallery-note")
    gallery = gr.Gallery(
        show_label=False, columns=6, height=420, allow_preview=False, interactive=False, format="png",
        elem_id="gallery", buttons=[],
    )  # fmt: skip
    with gr.Row():
        shown = [
            gr.Image(
                label=label, interactive=False, format="png", height=360, elem_id=f"gallery-{key}",
                buttons=["fullscreen"], elem_classes="shown",
            )
            for key, label in (("truth", "Truth"), ("predicted", "Prediction"), ("wrong", "Wrong pixels"))
        ]  # fmt: skip
    table = gr.HTML(note(CHOOSE), elem_id="gallery-scores")
    options = {"api_visibility": "private", "show_progress": "minimal"}
    for event in (page.load, name.input):
        event(tab.pages, name, start, **options).then(
            tab.fill, [name, start], [gallery, words], **options
        )
    start.input(tab.fill, [name, start], [gallery, words], **options)
    name.input(tab.nothing, None, [*shown, table], **options)
    gallery.select(tab.choose, [name, start], [*shown, table], **options)


def _table(images: ScoredImages, shown: Shown, score: float) -> str:
    """Return the IoU of each class in an image as HTML."""
    classes = images.model.predictor.classes
    told = ["" if math.isnan(value) else f"{value:.1%}" for value in shown.iou]
    rows = "".join(
        f"<tr><td>{swatch(color)}</td><td>{escape(name)}</td><td>{value}</td></tr>"
        for name, color, value in zip(classes.class_names, classes.palette, told, strict=True)
    )
    words = note(
        f"{shown.name}: mIoU {score:.1%} by evaluate. The prediction is one of the whole image."
    )
    head = "<thead><tr><th></th><th>class</th><th>IoU here</th></tr></thead>"
    return f"{words}<table class='areas'>{head}<tbody>{rows}</tbody></table>"
