"""The bundle of a registered version, by the name that a user gives: champion, or an address of MLflow."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ocrnet.config.params_file import load_params
from ocrnet.errors import ParamsError, StoreError
from ocrnet.predict_files.references import ALIASES, SCHEME
from pipelines._untrusted import registry_name, shown, version_or_alias

from .address import find_address
from .client import Session, configure
from .local_artifacts import check_store
from .store_errors import store_errors
from .versions import fetch_bundle, find_version

PARAMS = Path("params.yaml")
FORMS = "champion, challenger, models:/NAME/VERSION, models:/NAME@ALIAS or the folder of a bundle"


@contextmanager
def registered_bundle(reference: str) -> Iterator[tuple[Path, str]]:
    """Download a registered version; its folder is deleted at the end of the block.

    Args:
        reference: One of champion and challenger, for the model of `params.yaml`; or `models:/NAME/VERSION`, where
            VERSION may be an alias; or `models:/NAME@ALIAS`.

    Yields:
        The folder of the bundle, and `models:/NAME/VERSION` with the version's number.

    Raises:
        ParamsError: The reference is not valid, or the params are wrong.
        DataError: The registry does not have the version.
        BundleError: The version holds no bundle, or another one than its tag says.
        StoreError: MLflow is not installed, unreachable or refuses a call.
    """
    model, wanted = split_reference(reference)
    with TemporaryDirectory(prefix="ocrnet-model-") as folder:
        with opened_store() as session:
            version = find_version(session, model, wanted)
            bundle = fetch_bundle(version, Path(folder))
        yield bundle, f"{SCHEME}{model}/{version.number}"


def split_reference(reference: str) -> tuple[str, str]:
    """Return the name of the registered model, and the number or the alias of the version.

    Raises:
        ParamsError: The reference has another form, or there is no `params.yaml` with the model's name.
    """
    if reference in ALIASES:
        return load_params(PARAMS).publish.model_name, reference
    text = reference.removeprefix(SCHEME)
    name, mark, version = text.partition("@" if "@" in text else "/")
    if not text or text == reference or not mark:
        raise ParamsError(f"--model: found {shown(reference)}. Give {FORMS}.")
    return registry_name(name, "--model"), version_or_alias(version, "--model")


@contextmanager
def opened_store() -> Iterator[Session]:
    """Open the store of the registry; neither a store nor an experiment is made.

    Raises:
        StoreError: MLflow is not installed, unreachable or refuses a call.
    """
    target = find_address()
    file = target.sqlite_file
    if file is not None and not file.is_file():
        raise StoreError(
            f"{target.shown}: no such store. Run this in the checkout that holds it, set MLFLOW_TRACKING_URI, or give "
            "the folder of a bundle."
        )
    configure(target)
    try:
        import mlflow
    except ModuleNotFoundError:
        raise StoreError(
            "mlflow is not installed, so no registered model can be read. Give the folder of a bundle, or run: "
            "pip install 'ocrnet[pipeline]'"
        ) from None
    with store_errors(target, changes=False):
        check_store(target)
        mlflow.set_tracking_uri(target.uri)
        yield Session(mlflow.MlflowClient(tracking_uri=target.uri), "", target)
