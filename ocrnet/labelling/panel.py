"""Those who judge an image: several models of one training set, or several views by one model."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8

from ocrnet.data.decode import resize_image
from ocrnet.errors import ParamsError
from ocrnet.inference.predict import Segmenter, labels
from ocrnet.inference.view_merging import MERGERS

VIEW_SCALES = (0.75, 1.25)  # beside the image itself and its mirror image
CURE = "Use models that were trained on one prepared set."


class Panel:
    """Models that judge images together; a single model judges each image in several views.

    The members of several models are the models, each with the whole image as its only view. The members of a single
    model are the image, its mirror image, and the image at the sizes `VIEW_SCALES`.

    Args:
        models: One or more models.

    Attributes:
        classes: Class table of all models.

    Raises:
        DataError: Two models have different classes.
        ParamsError: Two models decode images differently, or an exported file gives label maps alone.
    """

    def __init__(self, models: Sequence[Segmenter]) -> None:
        first = models[0]
        for other in models[1:]:
            first.class_table.require_same(
                other.class_table, place=first.name, other=other.name, cure=CURE
            )
            if other.decoding != first.decoding:
                raise ParamsError(
                    f"{first.name} and {other.name} decode images differently. {CURE}"
                )
        for one in models:
            if not one.has_probabilities:
                raise ParamsError(f"{one.name}: the file gives no probabilities. Use a bundle.")
        self.classes = first.class_table
        self._models = tuple(models)

    def prepared(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """Return an image at the size that `prepare` gave the training images."""
        resize = self._models[0].decoding.resize
        return image if resize is None else resize_image(image, resize)

    def members(self, image: UInt8[np.ndarray, "H W 3"]) -> list[Float[np.ndarray, "K H W"]]:
        """Return the probabilities of a prepared image by each member."""
        if len(self._models) > 1:
            return [model.probabilities(image) for model in self._models]
        (model,) = self._models
        mirrored = model.probabilities(np.ascontiguousarray(image[:, ::-1]))[:, :, ::-1]
        scaled = [_at_scale(model, scale).probabilities(image) for scale in VIEW_SCALES]
        return [model.probabilities(image), np.ascontiguousarray(mirrored), *scaled]

    def probabilities(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "K H W"]:
        """Return the mean of the models' probabilities of a prepared image."""
        found: Float[np.ndarray, "K H W"] = np.mean(
            [model.probabilities(image) for model in self._models], axis=0
        )
        return found

    def features(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, " D"]:
        """Return the feature vectors of a prepared image by all models, one after the other.

        Raises:
            BundleError: The architecture of a model has no known encoder.
        """
        vectors = [model.features(image) for model in self._models]
        return np.concatenate(vectors).astype(np.float64)

    def label_map(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
        """Return the most probable classes of a decoded image at its size, by the mean of the models."""
        if len(self._models) == 1:
            return labels(self._models[0].scores_at_size(image))
        merger = MERGERS["softmax_mean"]
        return labels(
            merger.mean(model.scores_at_size(image, merger=merger) for model in self._models)
        )


def _at_scale(model: Segmenter, scale: float) -> Segmenter:
    """Return the same model, which gets the image at another size."""
    other = copy.copy(model)
    other.protocol = replace(model.protocol, scales=(scale,))
    return other
