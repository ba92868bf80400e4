"""The training loss of the heads of `model.instances: offsets`."""

from jaxtyping import Float
from torch import Tensor

from ocrnet.losses.base import Whole
from ocrnet.losses.instances import UNKNOWN, instance_loss, instance_targets, weight_maps
from ocrnet.models.output import OFFSET_UNIT, resize_logits
from ocrnet.training.head_criterion import HeadCriterion


class InstanceCriterion(HeadCriterion):
    """The weighted loss of centre heat map and offsets."""

    weight_names = ("centre_weight", "offset_weight")

    def parts(
        self, maps: Float[Tensor, "B 3 h w"], part: Whole, batch: Whole, *, align_corners: bool
    ) -> list[Float[Tensor, ""]]:
        """Return the loss of the heat map and that of the offsets."""
        assert part.numbers is not None
        size = (part.label_maps.shape[-2], part.label_maps.shape[-1])
        centre, offset = instance_loss(
            resize_logits(maps, size, align_corners=align_corners),
            instance_targets(part.numbers, sigma=self.sigma),
            part.label_maps != self.ignore_index,
            part.sample_weights,
            unit=OFFSET_UNIT,
            whole=None if batch is part else self._totals(batch),
        )
        return [centre, offset]

    def _totals(self, batch: Whole) -> tuple[Tensor, Tensor]:
        assert batch.numbers is not None
        valid = batch.label_maps != self.ignore_index
        known, inside = batch.numbers != UNKNOWN, batch.numbers > 0
        everywhere, within = weight_maps(known, inside, valid, batch.sample_weights)
        return everywhere.sum(), within.sum()
