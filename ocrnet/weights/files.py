"""Reading of a weights file, or of a bundle, without running its code."""

from pathlib import Path

from torch import Tensor

from ocrnet.bundles.bundle import MODEL_FILE, WEIGHTS_FILE, read_card
from ocrnet.bundles.state_dicts import read_state_dict
from ocrnet.data.manifest import file_sha256
from ocrnet.errors import BundleError


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a file, or from the folder of a bundle.

    Raises:
        BundleError: The file is missing or damaged, contains code, or is not a state dict.
    """
    if path.is_dir():
        _check_bundle(path)
        path = path / WEIGHTS_FILE
    return read_state_dict(path)


def _check_bundle(folder: Path) -> None:
    weights = folder / WEIGHTS_FILE
    if not weights.is_file() or not (folder / MODEL_FILE).is_file():
        return
    if file_sha256(weights) != read_card(folder).weights_sha256:
        raise BundleError(
            f"{weights}: the file has another hash than in {MODEL_FILE}. Restore it with `dvc checkout`."
        )
