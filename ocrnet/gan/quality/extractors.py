"""Feature extractors: frozen networks that turn an image into one vector.

| `select.extractor` | network | weights |
|---|---|---|
| segmenter | backbone of the baseline, each level averaged over the image | its bundle |
| timm:NAME | a network of timm before its classifier | random with a fixed seed |
| timm:NAME:FILE, timm:NAME:pretrained | the same | from a file; from timm, downloaded |
| inception:FILE | last pooling of torchvision's Inception v3 | from a file |
| random-conv | three convolutions | random with a fixed seed |

torchvision's Inception is not the network of 2015 that published FID values come from: compare
its numbers with numbers of the same hash, not with papers.
"""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import timm
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.bundles.bundle import load_bundle
from ocrnet.bundles.card import IMAGENET_MEAN, IMAGENET_STD
from ocrnet.errors import BundleError
from ocrnet.gan.quality import DOWNLOAD, INCEPTION, RANDOM_CONV, SEGMENTER, TIMM, ExtractorChoice
from ocrnet.gan.quality.random_conv import RandomConv
from ocrnet.models.output import normalise
from ocrnet.models.trunk import Trunk
from ocrnet.runtime import seeded
from ocrnet.weights.files import read_tensors

logger = logging.getLogger(__name__)
INCEPTION_SIZE = (299, 299)
HALF = (0.5, 0.5, 0.5)


@runtime_checkable
class FeatureExtractor(Protocol):
    """A deterministic function from images to vectors."""

    @property
    def name(self) -> str:
        """The name in the reported metric: `FID[name]`."""

    @property
    def sha256(self) -> str:
        """The SHA-256 of the weights."""

    @property
    def dim(self) -> int:
        """The length of a vector."""

    @property
    def resize(self) -> str:
        """The size that images are resized to, or `none`."""

    def features(self, images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Return the vectors of RGB images, in float32 on the CPU."""


class FrozenFeatures:
    """A frozen network as an extractor.

    Args:
        name: Name in the reported metrics.
        net: Network from normalised images to vectors.
        sha256: SHA-256 of its weights; by default the SHA-256 of its state dict.
        mean: Mean of RGB in [0, 1] that images are normalised with.
        std: Standard deviation of RGB in [0, 1] that images are normalised with.
        size: (height, width) that images are resized to; None keeps their sizes.
        device: Device to compute on.
    """

    def __init__(
        self,
        name: str,
        net: nn.Module,
        *,
        sha256: str = "",
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
        size: tuple[int, int] | None = None,
        device: str = "cpu",
    ) -> None:
        self.name = name
        self.sha256 = sha256 or state_sha256(net.state_dict())
        self.resize = "none" if size is None else f"{size[0]}x{size[1]} bilinear"
        # In training mode a batch norm would update its statistics with the measured images, and mix them.
        self._net = net.eval().requires_grad_(requires_grad=False).to(device)
        self._device = torch.device(device)
        self._mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, device=device).view(1, 3, 1, 1)
        self._size = size
        self.dim = self.features(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).shape[1]

    @torch.inference_mode()
    def features(self, images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Return the vectors of RGB images, in float32 on the CPU."""
        pixels = normalise(images.to(self._device), mean=self._mean, std=self._std)
        if self._size is not None:
            pixels = F.interpolate(pixels, size=self._size, mode="bilinear", antialias=True)
        features: Tensor = self._net(pixels)
        return features.float().cpu()


def build_extractor(
    choice: ExtractorChoice, *, baseline: Path | None = None, device: str = "cpu"
) -> FeatureExtractor:
    """Build the extractor that `select.extractor` names.

    Args:
        choice: Parsed value of `select.extractor`.
        baseline: Bundle of the baseline; only the extractor `segmenter` needs it.
        device: Device to compute on.

    Raises:
        BundleError: Weights are missing, damaged or do not fit.
    """
    if choice.kind == SEGMENTER:
        assert baseline is not None
        model, card = load_bundle(baseline)
        return FrozenFeatures(
            SEGMENTER, Trunk(model), sha256=card.weights_sha256, mean=card.mean, std=card.std, device=device
        )  # fmt: skip
    if choice.kind == RANDOM_CONV:
        return FrozenFeatures(RANDOM_CONV, RandomConv(), device=device)
    if choice.kind == TIMM:
        return _from_timm(choice, device)
    return _inception(Path(choice.weights), device)


def state_sha256(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the entries of a state dict, sorted by name."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _from_timm(choice: ExtractorChoice, device: str) -> FrozenFeatures:
    name = f"{TIMM}:{choice.model}"
    with seeded("extractor", choice.model):
        net = _timm_net(choice)
    config: dict[str, Any] = timm.data.resolve_data_config({}, model=net)
    if not choice.weights:
        name += " random"
        logger.warning(
            "select.extractor: timm:%s has random weights. Set timm:%s:FILE, or timm:%s:%s to download timm's weights.",
            choice.model, choice.model, choice.model, DOWNLOAD,
        )  # fmt: skip
    elif choice.weights != DOWNLOAD:
        _load(net, Path(choice.weights), left_out=_classifiers(net))
    return FrozenFeatures(
        name, net, mean=config["mean"], std=config["std"], size=config["input_size"][1:], device=device
    )  # fmt: skip


def _timm_net(choice: ExtractorChoice) -> nn.Module:
    download = choice.weights == DOWNLOAD
    try:
        net: nn.Module = timm.create_model(choice.model, pretrained=download, num_classes=0)
    except Exception as error:  # the exception of a failed download depends on the hub's client
        reason = " ".join(str(error).split())[:200]
        raise BundleError(
            f"params.yaml: select.extractor: timm's {choice.model} cannot be built or downloaded: {reason}. "
            "Name a weights file, or set segmenter."
        ) from error
    return net


def _classifiers(net: nn.Module) -> tuple[str, ...]:
    names = getattr(net, "default_cfg", {}).get("classifier") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def _inception(path: Path, device: str) -> FrozenFeatures:
    from torchvision.models import inception_v3  # takes ten seconds to import and is rarely used

    net = inception_v3(weights=None, aux_logits=False, transform_input=False, init_weights=False)
    net.fc = nn.Identity()
    _load(net, path, left_out=("fc", "AuxLogits"))
    return FrozenFeatures(INCEPTION, net, mean=HALF, std=HALF, size=INCEPTION_SIZE, device=device)


def _load(net: nn.Module, path: Path, *, left_out: tuple[str, ...]) -> None:
    """Load a file into a network without its classifiers."""
    try:
        weights = {k: v for k, v in read_tensors(path).items() if k.split(".")[0] not in left_out}
        net.load_state_dict(weights)
    except BundleError as error:
        raise BundleError(f"params.yaml: select.extractor: {error}") from error
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise BundleError(
            f"params.yaml: select.extractor: {path} does not fit the network: {reason}. Name a file of this network."
        ) from error
