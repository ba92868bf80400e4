"""The rules that turn facts about the data and the machine into params, a line of reason for each.

The numbers of a CPU were tried on the demo set, on CamVid and on nuclei. Those of a GPU follow the papers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ocrnet.auto_config.choice import Choice, to_values
from ocrnet.auto_config.classes import ClassChoice
from ocrnet.auto_config.data_rules import data_choices
from ocrnet.auto_config.facts import DataFacts, Size
from ocrnet.auto_config.machine import Machine
from ocrnet.auto_config.memory import StepMemory
from ocrnet.auto_config.network_rules import gan_choices, model_choices
from ocrnet.auto_config.sizes import choose_batch, choose_crop, choose_resize
from ocrnet.gan import OPERATIONS, free_operations

CPU_PASSES, GPU_PASSES = 20, 100  # passes over the training images
CPU_STEPS, GPU_STEPS = (500, 4000), (2000, 40_000)  # fewest and most steps
RATE = 0.003  # learning rate of a batch of 8; 0.001 was worse on the demo (docs/experiments.md)
BACKBONE_RATE = 0.5  # of the pretrained backbone, as a share of the rate
RARE_WEIGHTED, RARE_CROPPED = (
    0.005,
    0.02,
)  # share of a class below which it is weighted, and sought by crops
CPU_PAIRS, GPU_PAIRS = 240, 2000  # most synthesized pairs
MIN_PAIRS = 16


@dataclass(frozen=True)
class Plan:
    """What the choices of a set depend on.

    Args:
        name: Name of the set.
        path: Value of `data.path`.
        facts: Facts about the data.
        classes: Classes of the data.
        machine: Machine that trains.
    """

    name: str
    path: str
    facts: DataFacts
    classes: ClassChoice
    machine: Machine

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU trains."""
        return self.machine.gpu is not None


def choose_params(plan: Plan, memory: Callable[[dict[str, object]], StepMemory]) -> list[Choice]:
    """Return the choices for a set, in the order of `params.yaml`.

    Args:
        plan: What the choices depend on.
        memory: Function from params by dotted keys (the data, the crop and the network) to the memory of a step.
    """
    facts, on_gpu = plan.facts, plan.on_gpu
    model = model_choices(on_gpu=on_gpu)
    resize, resize_reason = choose_resize(facts, on_gpu=on_gpu)
    seen = resize or facts.median_size
    crop, crop_reason = choose_crop(seen, on_gpu=on_gpu)
    data, prepare = data_choices(plan.path, facts, plan.classes)

    def of_crop(size: Size) -> StepMemory:
        return memory({**to_values([*data, *model]), "data.crop_size": list(size)})

    crop, batch, batch_reason = choose_batch(of_crop, crop, plan.machine)
    val_share, test_share = (choice.value for choice in prepare[:2])
    images = facts.train_images(val_share, test_share)
    steps, steps_reason = choose_steps(images, batch, on_gpu=on_gpu)
    return [
        _seeds(on_gpu),
        *data,
        Choice("data.crop_size", list(crop), crop_reason),
        Choice("prepare.resize", None if resize is None else list(resize), resize_reason),
        *prepare,
        *model,
        Choice("train.steps", steps, steps_reason),
        Choice("train.batch_size", batch, batch_reason),
        *_rates(steps, batch),
        *_sampling(plan, is_cropped=crop[0] * crop[1] < 0.8 * seen[0] * seen[1]),
        *gan_choices(plan.machine, crop=crop, steps=steps),
        _count(images, on_gpu),
        *_publish(plan),
    ]


def choose_steps(images: int, batch: int, *, on_gpu: bool) -> tuple[int, str]:
    """Return the steps of a training, rounded up to hundreds, with the reason.

    Args:
        images: Number of training images.
        batch: Batch size.
        on_gpu: Whether a GPU trains.
    """
    passes = GPU_PASSES if on_gpu else CPU_PASSES
    least, most = GPU_STEPS if on_gpu else CPU_STEPS
    wanted = -(-passes * images // batch)
    steps = min(most, max(least, -(-wanted // 100) * 100))
    return steps, (
        f"{passes} passes over {images} training images in batches of {batch} are {wanted} steps; "
        f"{least} to {most} on {'a GPU' if on_gpu else 'a CPU'}."
    )


def layout_choices(*, has_things: bool) -> list[Choice]:
    """Return the choices that depend on whether a class of the prepared training split occurs as things."""
    if has_things:
        weights = {
            "train": 1.0,
            "flip": 1.0,
            "scale": 0.0,
            "copy_paste": 2.0,
            "warp": 0.0,
            "recombine": 0.0,
        }
        return [
            Choice(
                "synthesize.operations",
                weights,
                "Objects occur apart from each other, so they can be pasted.",
            ),
            Choice(
                "retrain.arms",
                ["gan", "copy_paste"],
                "GAN pairs, and the control that shows what they add.",
            ),
        ]
    free = free_operations()
    weights = {
        name: 1.0 if name in free else 0.0
        for name, entry in OPERATIONS.items()
        if not entry.needs_joint
    }
    return [
        Choice(
            "synthesize.operations",
            weights,
            "No class occurs as separate objects: nothing can be pasted.",
        ),
        Choice(
            "retrain.arms",
            ["gan", "real_twice"],
            "Nothing can be pasted: the control is real images twice over.",
        ),
    ]


def _seeds(on_gpu: bool) -> Choice:
    if on_gpu:
        return Choice(
            "seeds",
            [0, 1, 2],
            "Three trainings of each kind, so the report also covers chance in training.",
        )
    return Choice(
        "seeds",
        [0],
        "One training of each kind: on a CPU each further seed costs as much again. [0, 1, 2] is safer.",
    )


def _rates(steps: int, batch: int) -> Iterator[Choice]:
    """Yield the choices of rates and averages of the segmenter's training."""
    rate = float(f"{RATE * (batch / 8) ** 0.5:.2g}")
    yield Choice(
        "train.lr",
        rate,
        f"{RATE:g} for batches of 8 with pretrained weights, times the root of {batch} / 8.",
    )
    yield Choice(
        "train.backbone_lr_mult",
        BACKBONE_RATE,
        "The backbone is pretrained, so it changes less than the head.",
    )
    yield Choice(
        "train.warmup_steps", max(20, steps // 25), "A twenty-fifth of the steps, and 20 or more."
    )
    yield Choice(
        "train.ema_decay",
        round(min(0.999, max(0.99, 1 - 5 / steps)), 4),
        "The average covers about the last fifth of the steps, 100 to 1000 of them.",
    )
    yield Choice("train.val_interval", steps // 5, "Five validations; the best of them is kept.")
    yield Choice(
        "train.checkpoint_interval",
        max(10, steps // 20),
        "A kill costs at most a twentieth of the training.",
    )


def _sampling(plan: Plan, *, is_cropped: bool) -> Iterator[Choice]:
    """Yield the choices of how the images are weighted, cropped and read."""
    rarest, share = plan.facts.rarest
    is_rare = share < RARE_WEIGHTED
    yield Choice(
        "train.class_weights", "inverse_sqrt" if is_rare else "none",
        f"The rarest class, {rarest}, has {share:.2%} of the pixels; below {RARE_WEIGHTED:.1%} classes are weighted.",
    )  # fmt: skip
    seeks = is_cropped and share < RARE_CROPPED
    words = (
        "a third of the crops seeks an evenly drawn class, as in nnU-Net"
        if seeks
        else "crops are anywhere"
    )
    why = (
        f"{rarest} is rare" if seeks else "A crop shows nearly the whole image, or no class is rare"
    )
    yield Choice("train.rare_crops", 0.33 if seeks else 0.0, f"{why}: {words}.")
    workers = min(8, plan.machine.cores - 1) if plan.on_gpu else 0
    yield Choice(
        "train.workers", workers,
        "Processes that read images for the GPU." if workers else "The cores compute; no process only reads images.",
    )  # fmt: skip


def _count(images: int, on_gpu: bool) -> Choice:
    most = GPU_PAIRS if on_gpu else CPU_PAIRS
    count = max(MIN_PAIRS, min(most, 2 * images))
    return Choice(
        "synthesize.count", count, f"Two pairs for each training image, {MIN_PAIRS} to {most}."
    )


def _publish(plan: Plan) -> Iterator[Choice]:
    name = f"ocrnet-{plan.name}"
    yield Choice("publish.experiment", name, "The set's name.")
    yield Choice("publish.model_name", name, "The set's name.")
    share = plan.facts.rarest[1]
    yield Choice(
        "promote.first_min_miou",
        0.3,
        "Nothing is known of this set yet: raise it once you know your scores.",
    )
    yield Choice(
        "promote.first_min_class_iou", 0.0 if share < RARE_WEIGHTED else 0.1,
        f"The rarest class has {share:.2%} of the pixels; below {RARE_WEIGHTED:.1%} a first model may miss it.",
    )  # fmt: skip
