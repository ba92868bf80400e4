"""SSIM and PSNR of a generated image and the real image of the same label map.

They are only a sanity check: both punish a generated image for another realistic colour or grain, so a generator with
one style per label map scores better than one with many. Nothing is selected by them.
"""

import numpy as np
import numpy.typing as npt
from jaxtyping import UInt8
from scipy.ndimage import gaussian_filter

RADIUS = 5  # radius in pixels of the window, which is 11 pixels wide
SIGMA = 1.5
PEAK = 255.0
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
MOST_PSNR = 100.0  # dB; equal images would have an infinite PSNR


def psnr(first: UInt8[np.ndarray, "H W 3"], second: UInt8[np.ndarray, "H W 3"]) -> float:
    """Return 10 log10(255^2 / mean squared difference) in dB, at most 100."""
    error = float(((first.astype(np.float64) - second.astype(np.float64)) ** 2).mean())
    return MOST_PSNR if error == 0 else min(float(10 * np.log10(PEAK**2 / error)), MOST_PSNR)


def ssim(first: UInt8[np.ndarray, "H W 3"], second: UInt8[np.ndarray, "H W 3"]) -> float:
    """Return the structural similarity (Wang et al. 2004): Gaussian window of 11 pixels, mean over RGB.

    Only windows inside the image count; all windows count if a side of the image has less than 11 pixels.
    """
    x, y = first.astype(np.float64), second.astype(np.float64)
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    structure = (2 * covariance + C2) / (var_x + var_y + C2)
    similar = luminance * structure
    if min(first.shape[:2]) > 2 * RADIUS:
        similar = similar[RADIUS:-RADIUS, RADIUS:-RADIUS]
    return float(similar.mean())


def _blur(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(gaussian_filter(image, SIGMA, radius=RADIUS, axes=(0, 1)))
