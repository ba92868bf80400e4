"""What is measured of an image: its pixels, what the model says, and how far it is from the training images.

| measure | what | strange if |
|---|---|---|
| brightness | mean of the luma, in [0, 1] | low or high |
| contrast | standard deviation of the luma, in [0, 0.5] | low or high |
| colourfulness | mean distance of the largest and the smallest channel, in [0, 1] | low or high |
| sharpness | log10 of the variance of the luma's Laplacian | low or high |
| pixels | log10 of the number of pixels of the file | low or high |
| confidence | mean over the pixels of the probability of the predicted class | low |
| features | Mahalanobis distance of the encoder's vector from those of the training images | high |
| shares | distance of the shares of the classes to those of the nearest training images, in [0, 1] | high |

All but `pixels` are of the image as the model gets it, resized as by `prepare`.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ocrnet.data.decode import resize_image
from ocrnet.inference.predict import Segmenter

Tail = Literal["both", "low", "high"]
OF_PIXELS = ("brightness", "contrast", "colourfulness", "sharpness")
TAILS: dict[str, Tail] = {
    **dict.fromkeys((*OF_PIXELS, "pixels"), "both"),
    "confidence": "low",
    "features": "high",
    "shares": "high",
}
# sRGB's luma, ITU-R BT.601, as in Pillow's conversion to gray.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
NO_DETAIL = 1e-8  # variance of a flat image, whose logarithm would be infinite


@dataclass(frozen=True)
class ImageMeasures:
    """The measures of an image that need no other image, and its two vectors.

    Args:
        values: Values of `OF_PIXELS`, `pixels` and `confidence` by name.
        vector: Feature vector of the encoder.
        shares: Share of each class in the predicted label map.
    """

    values: dict[str, float]
    vector: Float[np.ndarray, " D"]
    shares: Float[np.ndarray, " K"]


def measure(segmenter: Segmenter, image: UInt8[np.ndarray, "H W 3"]) -> ImageMeasures:
    """Measure an image as its file shows it.

    Raises:
        BundleError: The model's architecture has no known encoder.
    """
    resize = segmenter.decoding.resize
    prepared = image if resize is None else resize_image(image, resize)
    return measure_prepared(segmenter, prepared, pixels=float(image.shape[0] * image.shape[1]))


def measure_prepared(
    segmenter: Segmenter, image: UInt8[np.ndarray, "H W 3"], *, pixels: float
) -> ImageMeasures:
    """Measure an image of the prepared set.

    Args:
        segmenter: Model that judges the image.
        image: Image after the resizing by `prepare`.
        pixels: Number of pixels of its file.

    Raises:
        BundleError: The model's architecture has no known encoder.
    """
    probabilities = segmenter.probabilities(image)
    ids = probabilities.argmax(axis=0)
    counts = np.bincount(ids.ravel(), minlength=len(probabilities))
    values = pixel_measures(image)
    values["pixels"] = float(np.log10(pixels))
    values["confidence"] = float(probabilities.max(axis=0).mean())
    return ImageMeasures(
        values, segmenter.features(image).astype(np.float64), counts / max(1, ids.size)
    )


def pixel_measures(image: UInt8[np.ndarray, "H W 3"]) -> dict[str, float]:
    """Return the measures `OF_PIXELS` of an image."""
    rgb = image.astype(np.float32) / 255.0
    luma = rgb @ LUMA
    detail = float(cv2.Laplacian(luma, cv2.CV_32F, borderType=cv2.BORDER_REPLICATE).var())
    return {
        "brightness": float(luma.mean()),
        "contrast": float(luma.std()),
        "colourfulness": float((rgb.max(axis=2) - rgb.min(axis=2)).mean()),
        "sharpness": float(np.log10(detail + NO_DETAIL)),
    }
