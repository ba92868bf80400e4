"""Clean plates of the demo set: material, texture, marks that are no defects, and the camera.

Lengths are in units of `scale`, which is 1 for an image of 96 rows: a larger image shows the same plate larger.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Image = npt.NDArray[np.float64]
Field = npt.NDArray[np.float64]
Region = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Material:
    """The material of a plate.

    Args:
        colour: Mean reflectance, RGB in [0, 1].
        brushing: Strength of the texture along one direction.
        mottling: Strength of the slow unevenness.
        grain: Strength of the fine unevenness.
    """

    colour: tuple[float, float, float]
    brushing: float
    mottling: float
    grain: float


MATERIALS = (
    Material((0.62, 0.63, 0.65), brushing=0.055, mottling=0.020, grain=0.012),  # brushed steel
    Material((0.74, 0.74, 0.73), brushing=0.045, mottling=0.025, grain=0.010),  # aluminium
    Material((0.50, 0.51, 0.54), brushing=0.020, mottling=0.050, grain=0.022),  # cast zinc
    Material((0.66, 0.55, 0.38), brushing=0.055, mottling=0.030, grain=0.012),  # brass
    Material((0.30, 0.31, 0.33), brushing=0.006, mottling=0.022, grain=0.030),  # dark plastic
    Material((0.64, 0.61, 0.53), brushing=0.004, mottling=0.026, grain=0.024),  # beige plastic
    Material((0.33, 0.42, 0.52), brushing=0.030, mottling=0.020, grain=0.014),  # anodised blue
)


@dataclass(frozen=True)
class Plate:
    """A clean plate: reflectance (H, W, 3) in [0, 1], and the region (H, W) of its surface."""

    reflectance: Image
    surface: Region


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], *, sigma: float | tuple[float, float]
) -> Field:
    """Draw smooth noise with mean 0 and standard deviation 1."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="reflect")
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-12))


def pixel_grid(shape: tuple[int, int]) -> tuple[Field, Field]:
    """Return the row and the column of each pixel's centre."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    return rows.astype(np.float64), columns.astype(np.float64)


def render_plate(rng: np.random.Generator, shape: tuple[int, int], *, scale: float) -> Plate:
    """Render a clean plate with the marks that real plates have and that are no defects."""
    material = MATERIALS[int(rng.integers(len(MATERIALS)))]
    angle = float(rng.choice([0.0, 90.0])) + float(rng.normal(0.0, 6.0))
    relief = material.brushing * _brushed(rng, shape, scale=scale, angle=angle)
    relief += material.mottling * smooth_noise(rng, shape, sigma=9.0 * scale)
    relief += material.grain * smooth_noise(rng, shape, sigma=0.7 * scale)
    relief += _machining(rng, shape, scale=scale, angle=angle)
    relief += _dust(rng, shape, scale=scale)
    tint = np.asarray(material.colour) * rng.normal(1.0, 0.012, 3) * rng.uniform(0.88, 1.1)
    reflectance = tint * (1.0 + relief)[..., None]
    surface = _cut_edge(rng, reflectance, scale=scale)
    return Plate(np.clip(reflectance, 0.0, 1.0), surface)


def photograph(
    rng: np.random.Generator, reflectance: Image, *, scale: float
) -> npt.NDArray[np.uint8]:
    """Render the camera image: gradient, vignette, reflection, blur, colour cast and sensor noise."""
    shape = (reflectance.shape[0], reflectance.shape[1])
    rows, columns = pixel_grid(shape)
    y, x = rows / shape[0] - 0.5, columns / shape[1] - 0.5
    direction = rng.uniform(0.0, 2.0 * np.pi)
    light = 1.0 + rng.uniform(0.05, 0.35) * (x * np.cos(direction) + y * np.sin(direction))
    light -= rng.uniform(0.0, 0.5) * (x**2 + y**2)
    light += _reflection(rng, y, x)
    # A lamp is warmer or colder, but rarely green or purple.
    cast = 1.0 + rng.normal(0.0, 0.045) * np.asarray([1.0, 0.1, -1.0]) + rng.normal(0.0, 0.01, 3)
    scene = reflectance * light[..., None] * cast * rng.uniform(0.85, 1.12)
    blur = rng.uniform(0.3, 0.75) * scale
    scene = ndimage.gaussian_filter(scene, (blur, blur, 0.0), mode="nearest")
    scene = np.clip(scene, 0.0, 1.0) ** rng.uniform(0.9, 1.12)
    noise = rng.standard_normal(scene.shape) * np.sqrt(scene) * rng.uniform(0.008, 0.026)
    noise += rng.standard_normal((*shape, 1)) * rng.uniform(0.002, 0.008)
    return np.rint(np.clip(scene + noise, 0.0, 1.0) * 255.0).astype(np.uint8)


def _brushed(
    rng: np.random.Generator, shape: tuple[int, int], *, scale: float, angle: float
) -> Field:
    side = int(np.ceil(np.hypot(*shape))) + 4
    strokes = smooth_noise(rng, (side, side), sigma=(0.55 * scale, 14.0 * scale))
    strokes += 0.6 * smooth_noise(rng, (side, side), sigma=(1.6 * scale, 40.0 * scale))
    turned = ndimage.rotate(strokes, angle, reshape=False, order=1, mode="reflect")
    top, left = (side - shape[0]) // 2, (side - shape[1]) // 2
    return np.asarray(turned[top : top + shape[0], left : left + shape[1]])


def _machining(
    rng: np.random.Generator, shape: tuple[int, int], *, scale: float, angle: float
) -> Field:
    """Draw evenly spaced tool marks, straight or turned, on some plates."""
    rows, columns = pixel_grid(shape)
    kind, strength = rng.uniform(), rng.uniform(0.015, 0.05)
    period = rng.uniform(7.0, 18.0) * scale
    centre = rng.uniform(-0.8, 1.8, 2) * np.asarray(shape)
    if kind < 0.25:
        turn = np.deg2rad(angle)
        along = rows * np.cos(turn) + columns * np.sin(turn)
    elif kind < 0.42:
        along = np.hypot(rows - centre[0], columns - centre[1])
    else:
        return np.zeros(shape)
    # A narrow groove once per period: it looks like a faint scratch, but is never alone.
    return np.asarray(-strength * np.exp(4.0 * (np.cos(2.0 * np.pi * along / period) - 1.0)))


def _dust(rng: np.random.Generator, shape: tuple[int, int], *, scale: float) -> Field:
    """Draw dust, most of it bright, some dark; it is smaller and softer than pits."""
    rows, columns = pixel_grid(shape)
    total = np.zeros(shape)
    for _ in range(int(rng.poisson(2.5))):
        y, x = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        size = rng.uniform(0.5, 1.2) * scale
        height = rng.uniform(0.12, 0.35) * (-0.7 if rng.uniform() < 0.3 else 1.0)
        total += height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2.0 * size**2))
    return total


def _reflection(rng: np.random.Generator, y: Field, x: Field) -> Field:
    """Draw a soft bright band or spot of a lamp in some images."""
    kind, strength = rng.uniform(), rng.uniform(0.08, 0.22)
    turn, offset = rng.uniform(0.0, np.pi), rng.uniform(-0.35, 0.35, 2)
    width = rng.uniform(0.05, 0.16)
    if kind < 0.2:
        distance = x * np.cos(turn) + y * np.sin(turn) - offset[0]
    elif kind < 0.4:
        distance = np.hypot(x - offset[0], y - offset[1])
    else:
        return np.zeros_like(y)
    return np.asarray(strength * np.exp(-(distance**2) / (2.0 * width**2)))


def _cut_edge(rng: np.random.Generator, reflectance: Image, *, scale: float) -> Region:
    """End some plates inside the image, with a bright bevel and the dark table behind; return the surface."""
    shape = (reflectance.shape[0], reflectance.shape[1])
    rows, columns = pixel_grid(shape)
    present, side = rng.uniform() < 0.22, int(rng.integers(4))
    inset, slope = rng.uniform(4.0, 12.0) * scale, rng.uniform(-0.06, 0.06)
    table = rng.uniform(0.05, 0.14)
    depth = (rows, shape[0] - 1 - rows, columns, shape[1] - 1 - columns)[side] - inset
    depth = depth + slope * ((columns if side < 2 else rows) - shape[side < 2] / 2)
    if not present:
        return np.ones(shape, dtype=np.bool_)
    bevel = 1.5 * scale
    reflectance *= 1.0 + 0.25 * np.clip(bevel + 0.5 - depth, 0.0, 1.0)[..., None]
    behind = np.clip(0.5 - depth, 0.0, 1.0)[..., None]
    reflectance[:] = reflectance * (1.0 - behind) + table * behind
    return np.asarray(depth >= bevel + 0.5)
