"""`ocrnet drift` as a flow: a person, a schedule or an automation of Prefect starts it; by default nothing does."""

import os
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from ocrnet.errors import ParamsError
from pipelines import _untrusted
from pipelines.flows.command_flow import run_command

OUT = ".state/drift_out"  # in the clone; MLflow gets the files


@flow(name="drift", flow_run_name="drift of {folder}")
def drift(
    repository: str,
    folder: str,
    revision: str = "main",
    model: str = "champion",
    rate: float = 0.05,
) -> State[Any]:
    """Compare the images of a folder with the set that a model was trained on, and send the result to MLflow.

    Args:
        repository: Address of the repository to clone.
        folder: Absolute path of the folder on the worker's machine.
        revision: Branch, tag or commit with the prepared set; the pipeline must have run at it.
        model: One of champion and challenger, or an address such as models:/NAME/3.
        rate: Highest probability of a false alarm, in (0, 1).
    """

    def arguments() -> list[str]:
        place = _untrusted.any_path(folder, "folder")
        if not os.path.isabs(place):
            raise ParamsError(
                f"folder: found {_untrusted.shown(folder)}, which is relative. Give the absolute path on the worker."
            )
        named = _untrusted.text_line(model, "model")
        return ["drift", "-o", OUT, f"--model={named}", f"--rate={rate}", "--mlflow", "--", place]

    return run_command(repository, revision, "cli", arguments, restored=("prepare",))
