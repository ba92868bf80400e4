"""The tab on which a label map is painted and the GAN repaints the image."""

from pathlib import Path
from typing import Any

import gradio as gr

from ocrnet.data.headers import EXTENSIONS
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import DataError
from pipelines._serve.answers import data_words
from pipelines._serve.edits import Edits, Pair
from pipelines._serve.models import BusyError
from pipelines._serve.pictures import VIEWS, legend, note, picture_file
from pipelines._serve.strokes import layers_of

OVERLAY, LABEL_MAP, IMAGE = VIEWS
START = "Choose a test image, or drop an image. Then paint over its label map with the colours of the classes."
PAINT = "Paint over the label map, then repaint."
KEPT_S = 3600  # seconds


class EditTab:
    """The answers of the tab. A history is the list of pairs from the first to the present one.

    Args:
        edits: Edits by the GAN.
    """

    def __init__(self, edits: Edits) -> None:
        self._edits = edits

    def choose(self, name: str | None) -> list[Any]:
        """Begin with a test image."""
        if not name:
            return self._nothing(START)
        try:
            pair = self._edits.start_with_test_image(name)
        except DataError as error:
            return self._nothing(str(error), fault=True)
        return self._shown([pair], f"{name}, with its own label map. {PAINT}")

    def drop(self, file: str | None) -> list[Any]:
        """Begin with an uploaded image and its predicted label map."""
        if file is None:
            return self._nothing(START)
        path = Path(file)
        try:
            pair = self._edits.start_with_file(path)
        except (DataError, BusyError) as error:
            words = data_words(error, path) if isinstance(error, DataError) else str(error)
            return self._nothing(words, fault=True)
        model = self._edits.model
        title = model.title if model is not None else ""
        return self._shown(
            [pair], f"{path.name}, with the label map that {title} predicts. {PAINT}"
        )

    def repaint(self, history: list[Pair], value: Any, seed: float | None) -> list[Any]:
        """Repaint the image where the label map was painted; without new strokes, repeat the last edit."""
        if not history:
            return self._nothing(START)
        strokes = layers_of(value)
        base, edited = history, self._edits.stroke(history[-1], strokes)
        if len(history) > 1 and (edited == history[-1].label_map).all():
            base, edited = history[:-1], history[-1].label_map
        try:
            pair = self._edits.repaint(base[-1], edited, seed=int(seed or 0))
        except (DataError, BusyError) as error:
            return [history, *[gr.skip()] * 2, note(str(error), fault=True), *[gr.skip()] * 3]
        share = float((edited != base[-1].label_map).mean())
        return self._shown(
            [*base, pair], f"Repainted: {share:.1%} of the pixels changed their class."
        )

    def undo(self, history: list[Pair]) -> list[Any]:
        """Go back by one edit; without one, the strokes are taken away."""
        if not history:
            return self._nothing(START)
        return self._shown(history[:-1] or history, PAINT)

    def _shown(self, history: list[Pair], words: str) -> list[Any]:
        """Return history, editor, picture, note, downloads and the state of the button for undo."""
        pair, classes = history[-1], self._edits.classes
        image, label_map = pair.image, pair.label_map
        ground = picture_file(pair.folder, image, label_map, classes, LABEL_MAP)
        return [
            history,
            {"background": ground, "layers": [], "composite": ground},
            picture_file(pair.folder, image, label_map, classes, IMAGE),
            note(words),
            gr.DownloadButton(value=str(pair.image_path), interactive=True),
            gr.DownloadButton(value=str(pair.label_map_path), interactive=True),
            gr.Button(interactive=True),
        ]

    def _nothing(self, words: str, *, fault: bool = False) -> list[Any]:
        off = gr.DownloadButton(value=None, interactive=False)
        return [[], None, None, note(words, fault=fault), off, off, gr.Button(interactive=False)]


def edit_tab(edits: Edits) -> None:
    """Build the tab in the page that is being built."""
    tab, names = EditTab(edits), edits.test_ids()
    history = gr.State([], time_to_live=KEPT_S)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            name = gr.Dropdown(
                label="Test image", choices=names, value=None, visible=bool(names), elem_id="edit-test",
            )  # fmt: skip
            file = gr.File(
                label="Image", file_types=list(EXTENSIONS), height=140, elem_id="edit-image",
                visible=edits.model is not None,
            )  # fmt: skip
            seed = gr.Number(
                label="Seed", value=0, precision=0, minimum=0, maximum=2**31 - 1, elem_id="seed"
            )
            repaint = gr.Button("Repaint the image", variant="primary", elem_id="repaint")
            undo = gr.Button("Undo", interactive=False, elem_id="undo")
        with gr.Column(scale=2, min_width=360):
            editor = gr.ImageEditor(
                label="Label map", type="numpy", image_mode="RGBA", format="png", sources=[], transforms=[],
                layers=False, brush=_brush(edits.classes), buttons=["fullscreen"], height=480, elem_id="editor",
            )  # fmt: skip
            gr.HTML(legend(edits.classes))
        with gr.Column(scale=2, min_width=360):
            shown = gr.Image(
                label="Image", interactive=False, format="png", height=480, elem_id="edit-picture",
                buttons=["fullscreen"],
            )  # fmt: skip
            words = gr.HTML(note(START), elem_id="edit-note")
            with gr.Row():
                image_button = gr.DownloadButton(
                    "Download the image", interactive=False, size="sm", elem_id="edit-download"
                )
                label_button = gr.DownloadButton(
                    "Download the label map", interactive=False, size="sm", elem_id="edit-labels"
                )
    outputs = [history, editor, shown, words, image_button, label_button, undo]
    options = {"api_visibility": "private", "show_progress": "minimal"}
    name.input(tab.choose, name, outputs, **options)
    file.upload(tab.drop, file, outputs, **options)
    repaint.click(tab.repaint, [history, editor, seed], outputs, **options)
    undo.click(tab.undo, history, outputs, **options)


def _brush(classes: ClassTable) -> Any:
    """Return a brush with the colours of the classes and no others."""
    colours = ["#{:02x}{:02x}{:02x}".format(*color) for color in classes.palette]
    last = colours[min(1, len(colours) - 1)]
    return gr.Brush(colors=colours, default_color=last, color_mode="fixed", default_size="auto")
