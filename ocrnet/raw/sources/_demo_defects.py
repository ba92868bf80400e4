"""Defects of the demo set: scratches, pits, stains and cracks.

Each is drawn into the reflectance and the label map at once and changes exactly the pixels that its
label covers; only the camera's blur spreads it further.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ocrnet.raw.sources._demo_plate import Field, Image, Region, pixel_grid, smooth_noise


@dataclass
class Canvas:
    """The canvas for defects: reflectance (H, W, 3), label map (H, W) and the region (H, W) where they are allowed."""

    reflectance: Image
    label_map: npt.NDArray[np.uint8]
    surface: Region
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (self.label_map.shape[0], self.label_map.shape[1])

    def draw(self, region: Region, change: Field, *, class_id: int) -> None:
        """Multiply the reflectance by `change` (H, W) or (H, W, 3) inside `region` and label it."""
        region = region & self.surface
        factors = change if change.ndim == 3 else change[..., None]
        self.reflectance[region] *= np.broadcast_to(factors, self.reflectance.shape)[region]
        np.clip(self.reflectance, 0.0, 1.0, out=self.reflectance)
        self.label_map[region] = class_id


Polyline = list[tuple[float, float]]


def draw_stains(rng: np.random.Generator, canvas: Canvas, *, class_id: int) -> None:
    """Draw one or two large soft blobs, darker or paler than the plate, some with a dried rim."""
    for _ in range(1 + int(rng.uniform() < 0.35)):
        rows, columns = pixel_grid(canvas.shape)
        y, x = (rng.uniform(0.12, 0.88) * size for size in canvas.shape)
        height, width = rng.uniform(11.0, 26.0, 2) * canvas.scale
        turn = rng.uniform(0.0, np.pi)
        u = (columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)
        v = (rows - y) * np.cos(turn) - (columns - x) * np.sin(turn)
        field = 1.0 - np.hypot(u / width, v / height)
        field += 0.22 * smooth_noise(rng, canvas.shape, sigma=5.0 * canvas.scale)
        region = _largest(field > 0.0)
        # Only some stains dry with a rim; the others fade out towards their border.
        rim = max(rng.uniform(-0.8, 0.6), 0.0) * np.exp(-((field / 0.15) ** 2))
        density = np.clip(0.35 + 1.8 * field, 0.0, 1.0) + rim
        strength = rng.uniform(0.2, 0.45)
        tint = np.asarray([(0.8, 1.0, 1.25), (1.0, 1.0, 1.0), (1.15, 1.0, 0.85)][rng.integers(3)])
        sign = 0.8 if rng.uniform() < 0.25 else -1.0
        change = 1.0 + sign * strength * density[..., None] * tint
        canvas.draw(region, change, class_id=class_id)


def draw_scratches(rng: np.random.Generator, canvas: Canvas, *, class_id: int) -> None:
    """Draw one to four thin, nearly straight lines, most of them bright, some dark."""
    for _ in range(int(rng.integers(1, 5))):
        length = rng.uniform(25.0, 80.0) * canvas.scale
        heading, bend = rng.uniform(0.0, 2.0 * np.pi), rng.normal(0.0, 0.25)
        start = (rng.uniform(0.1, 0.9) * canvas.shape[0], rng.uniform(0.1, 0.9) * canvas.shape[1])
        path = _walk(start, heading, [bend / 12] * 12, step=length / 12)
        half_width = rng.uniform(1.2, 2.0) * canvas.scale
        strength = rng.uniform(0.35, 0.75) * (-0.8 if rng.uniform() < 0.25 else 1.0)
        distance = _distance(canvas.shape, path)
        profile = 1.0 - 0.45 * np.clip(distance / half_width, 0.0, 1.0) ** 2
        fading = 1.0 + 0.15 * smooth_noise(rng, canvas.shape, sigma=6.0 * canvas.scale)
        change = 1.0 + strength * profile * np.clip(fading, 0.5, 1.5)
        canvas.draw(distance <= half_width, change, class_id=class_id)


def draw_pits(rng: np.random.Generator, canvas: Canvas, *, class_id: int) -> None:
    """Draw a loose group of small dark hollows, lit on one side."""
    rows, columns = pixel_grid(canvas.shape)
    centre = [rng.uniform(0.15, 0.85) * size for size in canvas.shape]
    light = rng.uniform(0.0, 2.0 * np.pi)
    for _ in range(int(rng.integers(3, 9))):
        y, x = rng.normal(centre, 13.0 * canvas.scale)
        height, width = rng.uniform(2.4, 5.6) * canvas.scale * rng.uniform(0.75, 1.25, 2)
        v, u = (rows - y) / height, (columns - x) / width
        radius = np.hypot(u, v)
        shade = u * np.cos(light) + v * np.sin(light)
        change = 1.0 - rng.uniform(0.5, 0.8) * (1.0 - 0.35 * radius**2)
        change = change + 0.3 * np.clip(shade, 0.0, 1.0) * radius**2
        canvas.draw(radius <= 1.0, change, class_id=class_id)


def draw_cracks(rng: np.random.Generator, canvas: Canvas, *, class_id: int) -> None:
    """Draw one jagged dark line that branches and tapers."""
    length = rng.uniform(45.0, 90.0) * canvas.scale
    start = (rng.uniform(0.2, 0.8) * canvas.shape[0], rng.uniform(0.2, 0.8) * canvas.shape[1])
    heading, darkness = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.6, 0.88)
    turns = list(rng.normal(0.0, 0.55, 16))
    trunk = _walk(start, heading, turns, step=length / 16)
    paths = [(trunk, rng.uniform(1.6, 2.4) * canvas.scale)]
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(3, 13))
        side = heading + sum(turns[:at]) + rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.1)
        reach = rng.uniform(0.15, 0.4) * length
        branch = _walk(trunk[at], side, list(rng.normal(0.0, 0.5, 6)), step=reach / 6)
        paths.append((branch, rng.uniform(1.1, 1.6) * canvas.scale))
    for path, half_width in paths:
        distance = _distance(canvas.shape, path)
        change = 1.0 - darkness * (1.0 - 0.4 * np.clip(distance / half_width, 0.0, 1.0) ** 2)
        # A branch over its trunk must not darken it twice.
        region = (distance <= half_width) & (canvas.label_map != class_id)
        canvas.draw(region, change, class_id=class_id)


# In drawing order: a later defect covers an earlier one. The number: images of eight that have the class.
DEFECTS: dict[str, tuple[Callable[..., None], int]] = {
    "stain": (draw_stains, 4),
    "scratch": (draw_scratches, 5),
    "pit": (draw_pits, 4),
    "crack": (draw_cracks, 1),
}


def _walk(
    start: tuple[float, float], heading: float, turns: list[float], *, step: float
) -> Polyline:
    path = [start]
    for turn in turns:
        heading += turn
        y, x = path[-1]
        path.append((y + step * np.sin(heading), x + step * np.cos(heading)))
    return path


def _distance(shape: tuple[int, int], path: Polyline) -> Field:
    """Return each pixel's distance to the path."""
    rows, columns = pixel_grid(shape)
    nearest = np.full(shape, np.inf)
    for (y0, x0), (y1, x1) in pairwise(path):
        dy, dx = y1 - y0, x1 - x0
        along = ((rows - y0) * dy + (columns - x0) * dx) / max(dy * dy + dx * dx, 1e-12)
        along = np.clip(along, 0.0, 1.0)
        np.minimum(
            nearest, np.hypot(rows - y0 - along * dy, columns - x0 - along * dx), out=nearest
        )
    return nearest


def _largest(region: Region) -> Region:
    parts, count = ndimage.label(region)
    if count < 2:
        return region
    return np.asarray(parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:])))
