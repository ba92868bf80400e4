"""The page: tabs to try models on images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import gradio as gr
from starlette.applications import Starlette

from pipelines._serve.edit_tab import edit_tab
from pipelines._serve.edits import Edits
from pipelines._serve.gallery_tab import gallery_tab
from pipelines._serve.models import ServedModel
from pipelines._serve.predict_tab import predict_tab
from pipelines._serve.results import Results
from pipelines._serve.scored_images import ScoredImages

CHECKED_S, KEPT_S = 300, 3600  # seconds between looks at uploaded files, and of their life
WAITING = 32  # events of all pages
IDLE_S = 0.02  # seconds between looks for events; Gradio looks every millisecond, which costs a fifteenth of a core
CSS = """
footer { display: none !important }
.areas { width: 100%; border-collapse: collapse; border: 0; font-size: 14px; font-variant-numeric: tabular-nums }
.areas td, .areas th { padding: 3px 4px; text-align: right; border: 0 }
.areas tr { border: 0; border-bottom: 1px solid var(--border-color-primary) }
.areas td:nth-child(2), .areas th:nth-child(2) { text-align: left }
.areas td:first-child, .areas th:first-child { width: 24px }
.areas tfoot td { font-weight: 600 }
.facts { border-collapse: collapse; border: 0; font-size: 14px }
.facts td, .facts th { padding: 3px 12px 3px 4px; text-align: left; border: 0; overflow-wrap: anywhere }
.facts tr { border: 0; border-bottom: 1px solid var(--border-color-primary) }
.facts th { font-weight: 400; color: var(--body-text-color-subdued); white-space: nowrap }
.swatch { display: inline-block; width: 14px; height: 14px; border-radius: 3px; vertical-align: -2px }
.swatch { border: 1px solid #8888 }
.shown img { width: 100%; height: 100%; object-fit: contain }
.note { color: var(--body-text-color-subdued) }
.fault { color: var(--error-text-color, #b91c1c); font-weight: 600 }
"""


def mount_page(
    app: Starlette,
    models: Sequence[ServedModel],
    *,
    folder: Path,
    max_bytes: int,
    edits: Edits | None,
    images: Mapping[str, ScoredImages],
    cards: Mapping[str, str],
) -> None:
    """Put the page at / of an application.

    Args:
        app: Application.
        models: Models, one or more.
        folder: Folder for the files of the page, which Gradio also uses.
        max_bytes: Most bytes of an image file.
        edits: Edits by a GAN; None: there is no editor.
        images: Test images of each model, by its name.
        cards: Card of each model as HTML, by its name.
    """
    results = Results(folder / "results")
    with gr.Blocks(
        title="ocrnet serve",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(CHECKED_S, KEPT_S),
    ) as page:
        with gr.Tab("Predict"):
            predict_tab(models, results)
        with gr.Tab("Test images"):
            gallery_tab(page, images)
        if edits is not None:
            with gr.Tab("Edit"):
                edit_tab(edits)
        with gr.Tab("Card"), gr.Row():
            for index, card in enumerate(cards.values()):
                gr.HTML(card, elem_id=f"card-{index}")
    page.queue(max_size=WAITING, default_concurrency_limit=4, api_open=False)
    page._queue.sleep_when_free = IDLE_S
    system = ["system-ui", "sans-serif"]
    gr.mount_gradio_app(
        app, page, path="/", allowed_paths=[], max_file_size=max_bytes, show_error=False, footer_links=[],
        run_history=False, ssr_mode=False, mcp_server=False, enable_monitoring=False, pwa=False, css=CSS,
        theme=gr.themes.Default(font=system, font_mono=["ui-monospace", "monospace"]),
    )  # fmt: skip
