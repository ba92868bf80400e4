"""The rules for sizes: that of the images, of the crops and of the GAN's windows, and the batch that fits in memory."""

import math
from collections.abc import Callable, Sequence

from ocrnet.auto_config.facts import DataFacts, Size
from ocrnet.auto_config.machine import Machine
from ocrnet.auto_config.memory import StepMemory

CPU_IMAGE, GPU_IMAGE = 256 * 256, 1024 * 1024  # pixels of an image
CPU_CROP, GPU_CROP = 224 * 224, 512 * 512  # pixels of a crop
CPU_WINDOW, GPU_WINDOW = 64 * 96, 256 * 256  # pixels of a window of the GAN
CPU_BATCH, GPU_BATCH = 8, 16
SEEN_SIDE = 6.0  # pixels; a smaller object is lost in the network's feature maps, whose stride is 4
MOST_OVER = (
    4.0  # an image may have this many times the pixels above, so that small objects stay visible
)
KEPT_OVER = 16.0  # images of unlike shapes keep their sizes up to this many times
SAME_SHAPE = 1.1  # largest ratio of two aspect ratios that one size does not distort visibly
GRID = 32  # stride of the deepest feature map
MEMORY_SHARE = 0.5  # share of the memory that a training step may need


def choose_resize(facts: DataFacts, *, on_gpu: bool) -> tuple[Size | None, str]:
    """Return `prepare.resize`, or None to keep the sizes, with the reason."""
    limit = GPU_IMAGE if on_gpu else CPU_IMAGE
    height, width = facts.median_size
    pixels = height * width
    aspects = [w / h for h, w in facts.sizes]
    largest = max(h * w for h, w in facts.sizes)
    unlike = max(aspects) / min(aspects) > SAME_SHAPE
    place = (
        f"{'a GPU' if on_gpu else 'a CPU'} affords {_side(limit)} x {_side(limit)} pixels an image"
    )
    if unlike and largest <= KEPT_OVER * limit:
        return (
            None,
            "Images have unlike shapes, which one size would distort: their sizes are kept.",
        )
    scale = min(1.0, math.sqrt(limit / pixels))
    words = f"The median image is {height} x {width}; {place}."
    if facts.sides:
        name, side = min(facts.sides.items(), key=lambda item: item[1])
        visible = min(1.0, SEEN_SIDE / side)
        if visible > scale:
            scale = max(scale, min(visible, math.sqrt(MOST_OVER * limit / pixels)))
            words += f" It is larger, so that {name} ({side:.0f} pixels a side) keeps {side * scale:.0f} pixels."
    if scale > 0.9 and largest <= KEPT_OVER * limit:
        return None, f"{words} So the sizes are kept."
    size = _to_multiple(height * scale, 4), _to_multiple(width * scale, 4)
    if unlike:
        words += (
            f" Shapes differ by {max(aspects) / min(aspects):.2f}, and this size evens them out."
        )
    return size, f"{words} So every image is brought to {size[0]} x {size[1]}."


def choose_crop(seen: Size, *, on_gpu: bool) -> tuple[Size, str]:
    """Return the largest crop of an image that the processor affords, with the reason.

    Args:
        seen: (height, width) of the images as the training reads them.
        on_gpu: Whether a GPU trains.
    """
    limit = GPU_CROP if on_gpu else CPU_CROP
    crop = fit_area(seen, limit, GRID)
    words = f"Images are {seen[0]} x {seen[1]} in training; sides are multiples of {GRID}, the network's last stride"
    if crop[0] * crop[1] < 0.9 * seen[0] * seen[1]:
        words += f"; {'a GPU' if on_gpu else 'a CPU'} affords {_side(limit)} x {_side(limit)} pixels a crop"
    return crop, f"{words}."


def choose_batch(
    memory: Callable[[Size], StepMemory], crop: Size, machine: Machine
) -> tuple[Size, int, str]:
    """Return the crop, the batch size and the reason; the crop is halved only if two crops do not fit in the memory.

    Args:
        memory: Function from a crop to the memory of a training step.
        crop: Wanted (height, width) of a crop.
        machine: Machine that trains.
    """
    most = CPU_BATCH if machine.gpu is None else GPU_BATCH
    room = MEMORY_SHARE * machine.memory_bytes
    while True:
        step, batch = memory(crop), most
        while batch > 2 and step.of_batch(batch) > room:
            batch //= 2
        smaller = fit_area(crop, crop[0] * crop[1] // 4, GRID)
        if step.of_batch(batch) <= room or smaller == crop:
            break
        crop = smaller
    words = (
        f"A step keeps {step.image_mib} MiB a crop and {step.fixed_bytes / 2**20:.0f} MiB of weights; a batch may take "
        f"half of {machine.memory_gib:.0f} GiB, and "
    )
    if batch == most:
        return crop, batch, f"{words}more than {most} crops a step only cost time."
    return crop, batch, f"{words}{batch} fit."


def choose_window(crop: Size, *, multiple: int, on_gpu: bool) -> tuple[Size, str]:
    """Return the window of the GAN's training, with the reason.

    Args:
        crop: (height, width) of the crops of the segmenter.
        multiple: Factor that the preset's sides are multiples of.
        on_gpu: Whether a GPU trains.
    """
    limit = GPU_WINDOW if on_gpu else CPU_WINDOW
    size = fit_area(crop, limit, max(multiple, GRID))
    return size, (
        f"The shape of data.crop_size, with at most {limit} pixels: the GAN learns from windows and paints any size."
    )


def fit_area(size: Size, limit: int, multiple: int) -> Size:
    """Return the largest size of about the same shape with at most `limit` pixels and sides that are multiples.

    A side has at least one multiple, so a limit below its square is exceeded.
    """
    scale = min(1.0, math.sqrt(limit / (size[0] * size[1])))
    sides = [max(multiple, int(side * scale) // multiple * multiple) for side in size]
    # Sides that were rounded down may leave room for the longer one, which brings back the shape.
    longer = 0 if size[0] >= size[1] else 1
    grown = [side + multiple * (place == longer) for place, side in enumerate(sides)]
    fits = grown[0] * grown[1] <= limit and grown[longer] <= size[longer]
    if fits and _unlike(grown, size) < _unlike(sides, size):
        sides = grown
    return sides[0], sides[1]


def _unlike(sides: Sequence[int], size: Size) -> float:
    """Return how much the shape of sides differs from that of a size; 0 is the same shape."""
    return abs(math.log(sides[0] * size[1] / (sides[1] * size[0])))


def _to_multiple(side: float, multiple: int) -> int:
    return max(multiple * 2, round(side / multiple) * multiple)


def _side(pixels: int) -> int:
    return round(math.sqrt(pixels))
