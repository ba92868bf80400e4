"""Object bank: pixels attend to each other, and to a bank of learned prototypes.

| symbol | here | shape |
|---|---|---|
| X, pixel representation | `pixels` | B mid h w |
| X W_q, X W_k, queries and keys | `to_query`, `to_key` | B h*w key |
| R, self-attention relation | `related` | B h*w mid |
| B, bank of learned prototypes | `bank` | P mid |
| C, attention to the bank | `recalled` | B h*w mid |
| gamma, beta, learned scalars | `related_weight`, `recalled_weight` | |

With d the width of a key (`key_channels`) and m the width of a pixel representation (`mid_channels`):

    R = softmax((X W_q) (X W_k)^T / sqrt(d)) X          over the pixels of the image
    C = softmax(R B^T / sqrt(m)) B                      over the prototypes
    logits = classify(X + gamma R + beta C)

OCR computes its object regions from the image; the bank stores the appearance of objects in all images.

Choices: queries and keys are projections without norm and bias (a bias of the keys adds the same number to all logits
of a pixel, so it would never have a gradient). The bank's logits are divided by sqrt(m), because they are a sum over m
channels: with prototypes drawn from N(0, 1) they start near 1 at any width, so that every prototype gets a weight.
gamma and beta start at 1: at 0, neither projections nor bank would have a gradient in the first step.

Memory: both attentions run in torch's fused kernels, forward and backward, which never store the N x N relation.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.models.backbones import JoinedBackbone, build_backbone
from ocrnet.models.ocr import AuxHead
from ocrnet.models.output import SegmentationModel, SegmenterOutput

AUX_WIDTH = 512  # channels of the auxiliary head if it has a separate feature map


class ObjectBank(SegmentationModel):
    """A backbone with the object-bank head, and the auxiliary head of OCRNet.

    Args:
        backbone: Name of a timm model that returns feature maps.
        num_classes: Number of classes in the logits.
        mid_channels: Width of pixel representations and prototypes.
        key_channels: Width of queries and keys.
        prototypes: Number of prototypes in the bank.
        dropout: Rate before the classifier.
        align_corners: Whether every bilinear resize aligns corners.
        stride: Form of the backbone's feature maps, a name in `ocrnet.models.strides.STRIDES`.
    """

    def __init__(
        self,
        *,
        backbone: str,
        num_classes: int,
        mid_channels: int = 512,
        key_channels: int = 256,
        prototypes: int = 64,
        dropout: float = 0.05,
        align_corners: bool = False,
        stride: str | None = None,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.backbone = build_backbone(backbone, align_corners=align_corners, stride=stride)
        shared = isinstance(self.backbone, JoinedBackbone)
        self.aux_head = AuxHead(
            self.backbone.aux_channels,
            num_classes,
            width=self.backbone.aux_channels if shared else AUX_WIDTH,
            kernel=1 if shared else 3,
        )
        self.head = ObjectBankHead(
            self.backbone.main_channels,
            num_classes,
            mid_channels=mid_channels,
            key_channels=key_channels,
            prototypes=prototypes,
            dropout=dropout,
        )

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> SegmenterOutput:
        """Return main and auxiliary logits at feature resolution."""
        feats = self.backbone(images)
        return SegmenterOutput(self.head(feats.main), self.aux_head([feats.aux]))


class ObjectBankHead(nn.Module):
    """Relate pixels to each other, recall prototypes, add both, classify."""

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        mid_channels: int = 512,
        key_channels: int = 256,
        prototypes: int = 64,
        dropout: float = 0.05,
    ) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(mid_channels),
            nn.ReLU(inplace=True),
        )
        self.to_query = nn.Linear(mid_channels, key_channels, bias=False)
        self.to_key = nn.Linear(mid_channels, key_channels, bias=False)
        self.bank = nn.Parameter(torch.randn(prototypes, mid_channels))
        self.related_weight = nn.Parameter(torch.ones(()))
        self.recalled_weight = nn.Parameter(torch.ones(()))
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(mid_channels, num_classes, 1)

    def forward(self, feats: Float[Tensor, "B C h w"]) -> Float[Tensor, "B K h w"]:
        """Return logits of features."""
        pixels = self.reduce(feats)
        flat = pixels.flatten(2).transpose(1, 2)  # B h*w M
        related = attend(self.to_query(flat), self.to_key(flat), flat)
        bank = self.bank.to(related.dtype).expand(related.shape[0], -1, -1)
        recalled = attend(related, bank, bank)
        found = self.related_weight * related + self.recalled_weight * recalled
        fused = pixels + found.transpose(1, 2).reshape_as(pixels)
        logits: Tensor = self.classify(self.dropout(fused))
        return logits


def attend(
    query: Float[Tensor, "B N D"], key: Float[Tensor, "B T D"], value: Float[Tensor, "B T M"]
) -> Float[Tensor, "B N M"]:
    """Return softmax(query key^T / sqrt(D)) value without storing the N x T weights.

    On the CPU the fused kernel accepts only queries, keys and values of one width with contiguous channels; otherwise
    torch silently computes the weights. So the narrower ones are padded with zeros, which changes no product, and
    copied if they are not contiguous.
    """
    scale = query.shape[-1] ** -0.5
    width = max(query.shape[-1], value.shape[-1])
    q, k, v = (
        F.pad(x, (0, width - x.shape[-1])).contiguous().unsqueeze(1) for x in (query, key, value)
    )
    mixed = F.scaled_dot_product_attention(q, k, v, scale=scale)
    return mixed.squeeze(1)[..., : value.shape[-1]]
