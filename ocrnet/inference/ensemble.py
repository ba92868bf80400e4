"""Several bundles as one model: the scores of all members are merged like the scores of views."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ocrnet.inference.predict import Segmenter, labels, load_segmenter
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.inference.view_merging import MERGERS
from ocrnet.models.attention_heads import Detections, join_detections


class Ensemble:
    """Segmenters with one class table and one protocol; architecture, normalisation and decoding may differ.

    Attributes:
        class_table: Class table of all members.
        weights_sha256: SHA-256 of the hashes of the members' weights, in their order.
        protocol: Protocol of all members; its merge mode also merges the members.
        least_score: Least score of an object, the mean of the members'.

    Raises:
        DataError: Two members were trained on different classes.
        ValueError: Two members have different protocols.
    """

    def __init__(self, members: Sequence[Segmenter]) -> None:
        first = members[0]
        for other in members[1:]:
            first.class_table.require_same_names(
                other.class_table, place=first.name, other=other.name,
                cure="Use models with one class table.",
            )  # fmt: skip
            if other.protocol != first.protocol:
                raise ValueError(
                    f"{first.name} has the protocol {first.protocol}, but {other.name} has {other.protocol}. "
                    "Use one protocol."
                )
        self.class_table = first.class_table
        self.protocol = first.protocol
        self.least_score = sum(member.least_score for member in members) / len(members)
        together = "\n".join(member.weights_sha256 for member in members)
        self.weights_sha256 = hashlib.sha256(together.encode()).hexdigest()
        self._members = tuple(members)
        self._merger = MERGERS[first.protocol.merge]

    def probabilities(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "K H W"]:
        """Return the merged probability of each class at each pixel of a prepared image."""
        return self._merger.finish(self._scores(image))[0].cpu().numpy()

    def label_map(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
        """Return the most probable class of each pixel of a prepared image."""
        return labels(self._scores(image))

    def instance_maps(
        self, image: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]
    ) -> Float[np.ndarray, "3 H2 W2"] | None:
        """Return the mean of the members' centres and offsets; None unless all give some. See `Segmenter`."""
        maps = [member.instance_maps(image, size) for member in self._members]
        given = [one for one in maps if one is not None]
        return np.mean(given, axis=0) if len(given) == len(maps) else None

    def detections(
        self, image: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]
    ) -> Detections | None:
        """Return the members' detections as those of one model; None unless all give some on the same cells."""
        maps = [member.detections(image, size) for member in self._members]
        given = [one for one in maps if one is not None]
        return join_detections(given) if len(given) == len(maps) else None

    @torch.inference_mode()
    def label_map_of_file(self, path: Path) -> UInt8[np.ndarray, "H W"]:
        """Return the label map of a raw image file, at the file's size; each member decodes it by its card.

        Raises:
            DataError: The file cannot be decoded.
        """
        merger = self._merger
        views = (member.scores_of_file(path, merger=merger) for member in self._members)
        return labels(merger.mean(views))

    @torch.inference_mode()
    def _scores(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[Tensor, "1 K H W"]:
        merger = self._merger
        return merger.mean(member.scores(image, merger=merger) for member in self._members)


def load_segmenters(
    *folders: Path, device: str = "cpu", protocol: ScoringProtocol | None = None
) -> Segmenter | Ensemble:
    """Load one bundle as a segmenter, or several as an ensemble.

    Raises:
        BundleError: A bundle is missing, damaged or from another program.
        DataError: Two bundles were trained on different classes.
    """
    members = [load_segmenter(folder, device=device, protocol=protocol) for folder in folders]
    return members[0] if len(members) == 1 else Ensemble(members)
