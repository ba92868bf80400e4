"""Strokes of a brush over a label map become classes."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from ocrnet.data.manifest import ClassTable

OPAQUE = 128  # alpha from which a pixel counts as painted: the edge of a stroke is soft
LIKE = 3  # largest difference of a channel between a colour of the palette and the browser's copy of it

Pixels = npt.NDArray[np.uint8]


def painted(label_map: Pixels, strokes: Pixels, classes: ClassTable) -> Pixels:
    """Return a label map with the class of the nearest palette colour at each painted pixel.

    Where strokes of two classes meet, their mixed colours may be close to a third class; so only classes whose colour
    occurs in the strokes as it is are candidates, if there are any.

    Args:
        label_map: Class ids (H, W) before.
        strokes: RGBA (h, w, 4), perhaps of another size; transparent where nothing was painted.
        classes: Classes with their palette.
    """
    size = (label_map.shape[1], label_map.shape[0])
    if strokes.shape[:2] != label_map.shape:
        strokes = np.array(Image.fromarray(strokes).resize(size, Image.Resampling.NEAREST))
    taken = strokes[..., 3] >= OPAQUE
    result = label_map.copy()
    if not taken.any():
        return result
    colours, inverse = np.unique(strokes[taken][:, :3], axis=0, return_inverse=True)
    away = colours[:, None].astype(np.int64) - np.array(classes.palette, dtype=np.int64)[None]
    pure = (np.abs(away).max(axis=2) <= LIKE).any(axis=0)
    distance = np.square(away).sum(axis=2)
    if pure.any():
        distance[:, ~pure] = np.iinfo(np.int64).max
    result[taken] = distance.argmin(axis=1).astype(np.uint8)[inverse.reshape(-1)]
    return result


def layers_of(value: dict[str, object] | None) -> Pixels | None:
    """Return the layers of Gradio's editor as one RGBA image (H, W, 4); None without any."""
    layers = [one for one in (value or {}).get("layers", []) if one is not None]  # type: ignore[attr-defined]
    if not layers:
        return None
    whole = Image.fromarray(layers[0])
    for layer in layers[1:]:
        whole = Image.alpha_composite(whole, Image.fromarray(layer))
    return np.array(whole)
