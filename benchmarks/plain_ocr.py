"""The OCR head as the paper writes it, one operation per line: what `benchmarks.ocr` compares ours with.

It has the same parameters under the same names as `ocrnet.models.ocr`, so that weights can be copied.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.models.backbones import JoinedBackbone
from ocrnet.models.ocr import OCRNet
from ocrnet.models.output import SegmenterOutput


class PlainHeads(nn.Module):
    """Auxiliary head and OCR head on the levels of a backbone.

    Args:
        model: whose modules are used, in their plain order.
    """

    def __init__(self, model: OCRNet) -> None:
        super().__init__()
        self.aux_head, self.head = model.aux_head, model.head
        self.align_corners = model.align_corners

    def forward(self, levels: list[Tensor]) -> SegmenterOutput:
        """Return logits at the size of the first level."""
        size = levels[0].shape[-2:]
        resized = [
            F.interpolate(level, size=size, mode="bilinear", align_corners=self.align_corners)
            for level in levels[1:]
        ]
        feats = torch.cat([levels[0], *resized], dim=1)
        aux_logits: Tensor = self.aux_head([feats])
        head = self.head
        pixels = head.reduce([feats])
        soft_regions = aux_logits.flatten(2).softmax(dim=2)
        region_repr = (soft_regions @ pixels.flatten(2).transpose(1, 2)).transpose(1, 2)
        regions = region_repr.unsqueeze(-1)
        query = head.to_query(pixels).flatten(2).transpose(1, 2)
        key = head.to_key(regions).flatten(2)
        value = head.to_value(regions).flatten(2).transpose(1, 2)
        relation = (query @ key * key.shape[1] ** -0.5).softmax(dim=2)
        mixed = (relation @ value).transpose(1, 2).reshape(len(pixels), -1, *size)
        context = head.to_context(mixed)
        augmented = head.fuse(torch.cat([context, pixels], dim=1))
        return SegmenterOutput(head.classify(augmented), aux_logits)


class PlainOCRNet(nn.Module):
    """The whole network with the plain heads.

    Args:
        model: whose modules are used.
    """

    def __init__(self, model: OCRNet) -> None:
        super().__init__()
        assert isinstance(model.backbone, JoinedBackbone)
        self.backbone = model.backbone
        self.heads = PlainHeads(model)

    def forward(self, images: Tensor) -> SegmenterOutput:
        """Return logits at feature resolution."""
        output: SegmenterOutput = self.heads(self.backbone.levels(images).main)
        return output
