"""SSIM and PSNR by hand and by a plain loop over windows."""

import numpy as np
import pytest

from ocrnet.gan.quality.ssim import C1, C2, psnr, ssim


def flat(value: int, size: tuple[int, int] = (16, 16)) -> np.ndarray:
    return np.full((*size, 3), value, dtype=np.uint8)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (14, 17, 3)).astype(np.uint8)


def test_equal_images() -> None:
    assert ssim(noise(0), noise(0)) == pytest.approx(1.0)
    assert psnr(noise(0), noise(0)) == 100.0


def test_psnr_of_black_and_white_is_zero_and_of_one_step_48_decibels() -> None:
    assert psnr(flat(0), flat(255)) == pytest.approx(0.0)
    assert psnr(flat(100), flat(101)) == pytest.approx(20 * np.log10(255))


def test_ssim_of_two_flat_images_is_their_luminance_term() -> None:
    expected = (2 * 50 * 200 + C1) / (50**2 + 200**2 + C1)
    assert ssim(flat(50), flat(200)) == pytest.approx(expected)
    # Too small for a window: all of it counts.
    assert ssim(flat(50, (6, 6)), flat(200, (6, 6))) == pytest.approx(expected)


def test_ssim_agrees_with_a_loop_over_windows() -> None:
    x, y = noise(0), noise(1)
    steps = np.arange(-5, 6)
    weights = np.exp(-(steps**2) / (2 * 1.5**2))
    window = np.outer(weights, weights) / weights.sum() ** 2
    values = []
    for row in range(x.shape[0] - 10):
        for col in range(x.shape[1] - 10):
            for channel in range(3):
                a, b = (i[row : row + 11, col : col + 11, channel].astype(float) for i in (x, y))
                ma, mb = (window * a).sum(), (window * b).sum()
                va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
                cov = (window * (a - ma) * (b - mb)).sum()
                values.append(
                    (2 * ma * mb + C1) * (2 * cov + C2) / ((ma**2 + mb**2 + C1) * (va + vb + C2))
                )
    assert ssim(x, y) == pytest.approx(np.mean(values), rel=1e-9)
    assert ssim(x, y) == pytest.approx(ssim(y, x))
