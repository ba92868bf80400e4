"""How much memory a training step needs, found without running it."""

from dataclasses import dataclass
from typing import Any

from ocrnet.config import Params

COPIES = (
    5  # of the weights: themselves, their gradients, two moments of the optimizer, their average
)
LOSS_BYTES = 16  # of the loss per pixel and class: logits, probabilities and their gradients
_MIB = 2**20


@dataclass(frozen=True)
class StepMemory:
    """The memory of a training step.

    Args:
        fixed_bytes: Weights with all that belongs to them.
        image_bytes: What the backward pass keeps of one crop.
    """

    fixed_bytes: int
    image_bytes: int

    def of_batch(self, batch: int) -> int:
        """Return the bytes of a step on a batch of this many crops."""
        return self.fixed_bytes + batch * self.image_bytes

    @property
    def image_mib(self) -> int:
        """What the backward pass keeps of one crop, in MiB."""
        return round(self.image_bytes / _MIB)


def step_memory(params: Params) -> StepMemory:
    """Count the bytes that a training step of the configured segmenter keeps.

    The network runs forward on torch's meta device, which has shapes and no values: this takes seconds and no memory.
    """
    import torch  # two seconds

    from ocrnet.models import build_segmenter, segmenter_options
    from ocrnet.models.output import full_size_logits

    options = segmenter_options(params.model.model_dump())
    classes = len(params.data.classes)
    with torch.device("meta"):
        model = build_segmenter(params.model.arch, num_classes=classes, **options).train()
    own = {_key(part) for part in [*model.parameters(), *model.buffers()]}
    kept: dict[int, int] = {}

    def keep(tensor: Any) -> Any:
        kept[_key(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    height, width = params.data.crop_size
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        # Two images: a batch norm needs them.
        full_size_logits(model, torch.zeros(2, 3, height, width, device="meta"))
    activations = sum(size for key, size in kept.items() if key not in own) // 2
    weights = sum(part.numel() * part.element_size() for part in model.parameters())
    return StepMemory(COPIES * weights, activations + LOSS_BYTES * classes * height * width)


def _key(tensor: Any) -> int:
    return int(tensor.untyped_storage()._cdata)
