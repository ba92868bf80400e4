"""`joint`: a label map that the joint generator draws from noise, for the classes that a training image shows.

The step has the label map as the generator drew it, so that a layout is rebuilt without the generator. It is enlarged
to the size of the training image, and components of a size that never occurs are filled from around them. A label map
that still shows what the data never shows is drawn again, with other noise and classes.
"""

import base64
import zlib
from collections.abc import Sequence
from typing import Any, TypedDict

import cv2
import numpy as np
import numpy.typing as npt

from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.class_components import AREA_CAP
from ocrnet.gan.layouts.operations.base_map import draw_base, open_base
from ocrnet.gan.layouts.operations.interface import TRIES, LayoutInputs, OperationResult, StepKind
from ocrnet.gan.layouts.plausible import is_plausible
from ocrnet.gan.layouts.regions import LabelMap, Numbers, Region, fill_nearest, numbered_parts

Image = npt.NDArray[np.uint8]


class Joint(TypedDict):
    """A drawn label map.

    Its condition is the classes that the training image `id` shows, its size is that of this image. `cells` has the
    class ids of the drawn label map of `drawn_size`, row by row, deflated and in base64.
    """

    op: str
    id: str
    condition: list[int]
    noise: int
    generator: str
    size: list[int]
    drawn_size: list[int]
    cells: str


def draw_joint(rng: np.random.Generator, inputs: LayoutInputs) -> OperationResult:
    """Draw a label map from noise, by the joint generator."""
    assert inputs.joint is not None, "check_operations asks for one"
    catalog = inputs.catalog
    for _ in range(TRIES):
        image_id = inputs.weights.draw_image(rng, catalog)
        condition, noise = list(catalog.shown[image_id]), int(rng.integers(2**31))
        _, drawn = inputs.joint.draw(condition, seed=noise)
        step = Joint(
            op="joint", id=image_id, condition=condition, noise=noise, generator=inputs.joint.sha256[:16],
            size=list(catalog.label_map(image_id).shape), drawn_size=list(drawn.shape), cells=_pack(drawn),
        )  # fmt: skip
        label_map = _apply(catalog, drawn, step)
        if is_plausible(catalog, label_map):
            return OperationResult(label_map, (step,))
    base = draw_base(rng, inputs)
    return OperationResult(open_base(catalog, base), (base,), 1)


def enlarge(drawn: LabelMap, size: tuple[int, int]) -> LabelMap:
    """Return a label map at another size, with smooth borders: each pixel has the class with the largest share."""
    class_ids = np.unique(drawn)
    shares = [
        cv2.resize(
            (drawn == class_id).astype(np.float32),
            (size[1], size[0]),
            interpolation=cv2.INTER_LINEAR,
        )
        for class_id in class_ids
    ]
    return np.asarray(class_ids[np.argmax(shares, axis=0)], dtype=np.uint8)


def joint_image(steps: Sequence[Any], inputs: LayoutInputs) -> Image | None:
    """Return the image (H, W, 3) that was drawn with a layout, if `joint_images` keeps it; otherwise None."""
    if not inputs.params.joint_images or steps[0]["op"] != "joint":
        return None
    assert inputs.joint is not None
    step: Joint = steps[0]
    image, _ = inputs.joint.draw(step["condition"], seed=step["noise"])
    height, width = step["size"]
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC))


def _pack(drawn: LabelMap) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(drawn).tobytes(), 9)).decode()


def _unpack(step: Joint) -> LabelMap:
    raw = zlib.decompress(base64.b64decode(step["cells"]))
    return np.frombuffer(raw, np.uint8).reshape(step["drawn_size"])


def _apply(catalog: Catalog, label_map: LabelMap, step: Joint) -> LabelMap:
    del label_map
    enlarged = enlarge(_unpack(step), (step["size"][0], step["size"][1]))
    wrong = _unknown_sizes(catalog, enlarged)
    return enlarged if wrong.all() else fill_nearest(enlarged, wrong, ~wrong)


def _unknown_sizes(catalog: Catalog, label_map: LabelMap) -> Region:
    """Return the pixels of the components that are smaller or larger than those of their class in the data."""
    wrong = np.zeros(label_map.shape, dtype=np.bool_)
    for class_id, parts, areas in numbered_parts(label_map, catalog.classes.ignore_index):
        least, most = catalog.areas(class_id)
        is_wide = (areas > AREA_CAP * label_map.size) & (class_id not in catalog.thing_classes())
        unknown = (areas < least) | ((areas > most) & ~is_wide)
        wrong |= np.concatenate([[False], unknown])[parts]
    return wrong


def _number(catalog: Catalog, label_map: LabelMap, numbers: Numbers, step: Joint) -> Numbers:
    """Number the connected components of the thing classes: nothing else tells drawn objects apart."""
    found = np.zeros(step["size"], dtype=np.int32)
    drawn = _apply(catalog, label_map, step)
    for class_id, parts, _ in numbered_parts(drawn, catalog.classes.ignore_index):
        if class_id in catalog.instances.things:
            found = np.where(parts > 0, parts + found.max(), found).astype(np.int32)
    return found


def _changed(catalog: Catalog, label_map: LabelMap, step: Joint) -> Region:
    del catalog, label_map
    return np.ones(step["size"], dtype=np.bool_)


KIND = StepKind(_apply, None, _number, _changed)
