"""Noise for the generator: a style per image or per connected component, and a grain per pixel.

A component is a set of pixels of one class that touch, also diagonally; all ignored pixels are one component. At
inference its style depends on the seed, its class and its anchor, which is its first pixel in reading order. An edit
elsewhere in the label map does not change its style, and neither does an edit of the component that keeps its anchor.

All noise is drawn on the CPU, so that a seed gives the same noise on every device.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from ocrnet.gan.generator.presets import Preset
from ocrnet.runtime import keyed_generator

# The unit that has a separate style.
IMAGE: Final = "image"
COMPONENT: Final = "component"
NO_CLASS = -1  # the class of the component of the ignored pixels


class Component(NamedTuple):
    """A component of a label map, named so that an edit elsewhere does not rename it.

    Args:
        class_id: Id of its class, or NO_CLASS.
        row: Row of its anchor, the first of its pixels in reading order; 0 for the ignored pixels.
        column: Column of its anchor; 0 for the ignored pixels.
    """

    class_id: int
    row: int
    column: int


def find_components(
    label_map: Integer[np.ndarray, "H W"], *, num_classes: int
) -> tuple[Int[np.ndarray, "H W"], list[Component]]:
    """Return the number of each pixel's component, and the components by number.

    Components are sorted by class and, within a class, by anchor; the ignored pixels come last.
    """
    numbers = np.full(label_map.shape, -1, np.int64)
    found: list[Component] = []
    for class_id in np.unique(label_map).tolist():
        if not 0 <= class_id < num_classes:
            continue
        count, parts = cv2.connectedComponents((label_map == class_id).astype(np.uint8))
        inside = parts > 0
        # Numbered by anchor, whatever the order of cv2 is.
        values, first = np.unique(parts, return_index=True)
        order = values[np.argsort(first)]
        rank_of = np.empty(count, np.int64)
        rank_of[order[order > 0]] = np.arange(count - 1)
        numbers[inside] = rank_of[parts[inside]] + len(found)
        anchors = np.sort(first[values > 0])
        width = label_map.shape[1]
        found += [Component(class_id, *divmod(int(place), width)) for place in anchors]
    if (numbers < 0).any():
        numbers[numbers < 0] = len(found)
        found.append(Component(NO_CLASS, 0, 0))
    return numbers, found


def draw_noise(
    preset: Preset, label_maps: Int[Tensor, "B H W"], *, num_classes: int, style: str,
    generators: Sequence[torch.Generator], device: torch.device,
) -> Float[Tensor, "B Z H W"]:  # fmt: skip
    """Draw the noise of a training batch, for each image from a separate generator."""
    drawn = []
    for label_map, generator in zip(label_maps.cpu(), generators, strict=True):
        numbers = torch.zeros_like(label_map)
        count = 1
        if style == COMPONENT:
            found, components = find_components(label_map.numpy(), num_classes=num_classes)
            numbers, count = torch.from_numpy(found), len(components)
        styles = torch.randn(count, preset.z_dim - preset.grain_dim, generator=generator)
        grain = torch.randn(preset.grain_dim, *label_map.shape, generator=generator)
        drawn.append(_spread(styles.to(device), numbers.to(device), grain.to(device)))
    return torch.stack(drawn)


def noise_of_image(preset: Preset, size: tuple[int, int], *, seed: int) -> Float[Tensor, "1 Z H W"]:
    """Return the noise of a seed where the whole image has one style."""
    draws = keyed_generator("gan-paint", seed)
    styles = torch.randn(1, preset.z_dim - preset.grain_dim, generator=draws)
    grain = torch.randn(preset.grain_dim, *size, generator=draws)
    return _spread(styles, torch.zeros(size, dtype=torch.int64), grain).unsqueeze(0)


def noise_of_components(
    preset: Preset, numbers: Int[np.ndarray, "H W"], components: Iterable[Component], *, seed: int,
    seeds: Mapping[Component, int],
) -> Float[Tensor, "1 Z H W"]:  # fmt: skip
    """Return the noise of a seed where each component has its style.

    Args:
        preset: Preset with the numbers of style and grain channels.
        numbers: Number of each pixel's component.
        components: Components in the order of their numbers.
        seed: Random seed of the grain and of the styles that `seeds` does not name.
        seeds: Random seeds of the styles of some components.
    """
    width = preset.z_dim - preset.grain_dim
    keys = [("gan-style", seeds.get(item, seed), *item) for item in components]
    styles = torch.stack([torch.randn(width, generator=keyed_generator(*key)) for key in keys])
    draws = keyed_generator("gan-grain", seed)
    grain = torch.randn(preset.grain_dim, *numbers.shape, generator=draws)
    return _spread(styles, torch.from_numpy(numbers), grain).unsqueeze(0)


def trace_components(
    numbers: Int[np.ndarray, "H W"], components: Sequence[Component],
    before: tuple[Int[np.ndarray, "H W"], Sequence[Component]],
) -> list[Component]:  # fmt: skip
    """Return for each component the component of its class that it covers most of in the label map before an edit.

    A component that covers none is new and is returned as it is.
    """
    old_numbers, old = before
    shared = np.zeros((len(components), len(old)), np.int64)
    np.add.at(shared, (numbers, old_numbers), 1)
    same_class = np.equal.outer([c.class_id for c in components], [c.class_id for c in old])
    shared *= same_class
    return [
        old[int(row.argmax())] if row.any() else item
        for item, row in zip(components, shared, strict=True)
    ]


def _spread(styles: Tensor, numbers: Tensor, grain: Tensor) -> Tensor:
    """Return the style of each pixel's component and the grain of each pixel as channels."""
    if len(styles) == 1:
        spread = styles[0][:, None, None].expand(-1, *numbers.shape)
    else:
        spread = styles[numbers].permute(2, 0, 1)
    return torch.cat([spread, grain])
