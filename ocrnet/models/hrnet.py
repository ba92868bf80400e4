"""The fusion of HRNet's branches for segmentation."""

from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.models.output import resize_features


class SizedFusion(nn.Module):
    """One HRNet module whose branches are resized bilinearly to the size of the branch that they join."""

    branches: nn.ModuleList
    fuse_layers: nn.ModuleList

    def __init__(self, module: nn.Module, *, align_corners: bool) -> None:
        super().__init__()
        branches, fuse_layers = module.branches, module.fuse_layers
        assert isinstance(branches, nn.ModuleList)
        assert isinstance(fuse_layers, nn.ModuleList)
        self.branches, self.fuse_layers = branches, fuse_layers
        self.align_corners = align_corners
        for outer in self.fuse_layers:
            assert isinstance(outer, nn.ModuleList)
            for layer in outer:
                if isinstance(layer, nn.Sequential) and isinstance(layer[-1], nn.Upsample):
                    layer[-1] = nn.Identity()

    def forward(self, feats: list[Tensor]) -> list[Tensor]:
        """Run the branches, finest first, and fuse each branch with all others."""
        feats = [branch(feat) for branch, feat in zip(self.branches, feats, strict=True)]
        return [self._fuse(i, feats) for i in range(len(self.fuse_layers))]

    def _fuse(self, target: int, feats: list[Tensor]) -> Tensor:
        size = feats[target].shape[-2:]
        layers = self.fuse_layers[target]
        assert isinstance(layers, nn.ModuleList)
        fused = None
        for source, feat in enumerate(feats):
            term: Tensor = layers[source](feat)
            if source > target:
                term = resize_features(term, (size[0], size[1]), align_corners=self.align_corners)
            fused = term if fused is None else fused + term
        assert fused is not None
        return F.relu(fused)
