"""The tab on which images are dropped and predicted, by one model or by two beside each other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from ocrnet.data.headers import EXTENSIONS
from ocrnet.errors import DataError
from pipelines._serve.answers import data_words
from pipelines._serve.models import BusyError, ServedModel
from pipelines._serve.pictures import VIEWS, area_table, note, picture_file
from pipelines._serve.results import Results

NOTHING = "Drop one or more images, and the label map appears here."
ALONE = "(none)"


class PredictTab:
    """The answers of the tab.

    Args:
        models: Models, one or more.
        results: Predictions of the server.
    """

    def __init__(self, models: Sequence[ServedModel], results: Results) -> None:
        self._models = {model.name: model for model in models}
        self._results = results

    def choose(self, files: list[str] | None) -> Any:
        """Return the choice among the uploaded images."""
        names = [Path(file).name for file in files or []]
        choices = [(f"{index + 1}: {name}", index) for index, name in enumerate(names)]
        return gr.Dropdown(choices=choices, value=0 if names else None, visible=len(names) > 1)

    def keep_images(self, files: list[str] | None) -> list[str]:
        """Return the image files of an uploaded folder, by name."""
        found = [file for file in files or [] if Path(file).suffix.lower() in EXTENSIONS]
        if not found:
            raise gr.Error("The folder has no image.", print_exception=False)
        return sorted(found, key=lambda file: Path(file).name)

    def show(
        self, files: list[str] | None, index: int | None, view: str, *names: str
    ) -> tuple[Any, ...]:
        """Return picture, table and download of each panel.

        Args:
            files: Uploaded images.
            index: Index of the image that is shown.
            view: Name in `VIEWS`.
            names: Model of each panel.
        """
        panels: list[Any] = []
        for name in names:
            panels += self._panel(files, index, view, name)
        return tuple(panels)

    def _panel(self, files: list[str] | None, index: int | None, view: str, name: str) -> list[Any]:
        """Return column, heading, picture, table and download of a panel."""
        model = self._models.get(name)
        if model is None:
            return [gr.Column(visible=False), "", None, "", gr.DownloadButton(visible=False)]
        title = f"### {model.title}"
        empty = [gr.Column(visible=True), title, None]
        if not files or index is None or not 0 <= index < len(files):
            return [*empty, note(NOTHING), gr.DownloadButton(visible=False)]
        path = Path(files[index])
        if not path.is_file():
            words = f"{path.name}: deleted by the server, to make room. Drop the image again."
            return [*empty, note(words, fault=True), gr.DownloadButton(visible=False)]
        try:
            result = self._results.find(model, path)
            classes = model.predictor.classes
            image = model.predictor.read(path)
            shown = picture_file(result.path.parent, image, result.label_map, classes, view)
        except (DataError, BusyError) as error:
            words = data_words(error, path) if isinstance(error, DataError) else str(error)
            told = words.replace("the image", path.name, 1)
            return [*empty, note(told, fault=True), gr.DownloadButton(visible=False)]
        table = area_table(result.areas, result.confidence, classes)
        button = gr.DownloadButton(value=str(result.path), visible=True)
        return [gr.Column(visible=True), title, shown, table, button]


def predict_tab(models: Sequence[ServedModel], results: Results) -> None:
    """Build the tab in the page that is being built."""
    tab = PredictTab(models, results)
    names = [model.name for model in models]
    choices = [(model.title, model.name) for model in models]
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            files = gr.File(
                label="Images", file_count="multiple", file_types=list(EXTENSIONS), height=160, elem_id="images",
            )  # fmt: skip
            folder = gr.UploadButton(
                "Choose a folder", file_count="directory", size="sm", elem_id="folder"
            )
            index = gr.Dropdown(
                label="Image", choices=[], visible=False, interactive=True, elem_id="image"
            )
            first = gr.Radio(
                label="Model", choices=choices, value=names[0], elem_id="model",
                visible=len(models) > 1,
            )  # fmt: skip
            second = gr.Radio(
                label="Beside it", choices=[(ALONE, ALONE), *choices], elem_id="beside",
                value=names[1] if len(models) > 1 else ALONE, visible=len(models) > 1,
            )  # fmt: skip
            view = gr.Radio(label="Show", choices=list(VIEWS), value=VIEWS[0], elem_id="view")
        with gr.Column(scale=3), gr.Row():
            panels = [_panel(models, place, len(models) > place) for place in range(2)]
    inputs = [files, index, view, first, second]
    outputs = [part for panel in panels for part in panel]
    options = {"api_visibility": "private", "show_progress": "minimal"}
    files.change(tab.choose, files, index, **options).then(tab.show, inputs, outputs, **options)
    folder.upload(tab.keep_images, folder, files, **options)
    for control in (index, view, first, second):
        control.input(tab.show, inputs, outputs, **options)


def _panel(models: Sequence[ServedModel], place: int, visible: bool) -> list[Any]:
    """Return column, heading, picture, table and download of a panel, which have the id of its place."""
    title = f"### {models[place].title}" if visible else ""
    with gr.Column(min_width=320, visible=visible) as column:
        heading = gr.Markdown(title)
        shown = gr.Image(
            show_label=False, interactive=False, format="png", elem_id=f"picture-{place}",
            buttons=["fullscreen"], height=420, elem_classes="shown",
        )  # fmt: skip
        table = gr.HTML(note(NOTHING), elem_id=f"areas-{place}")
        button = gr.DownloadButton(
            "Download the label map", visible=False, elem_id=f"download-{place}", size="sm"
        )
    return [column, heading, shown, table, button]
