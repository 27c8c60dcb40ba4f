"""The mask branch: from the grids of every proposal to a mask of each class.

Source: Liu et al., "Path Aggregation Network for Instance Segmentation", sections 3.3 and 3.4 and
figure 4, after He et al., "Mask R-CNN", section 3 and figure 4 (right).
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from panet.errors import InputError
from panet.heads.fusion import FullyConnectedFusion, mask_fusion
from panet.heads.per_level import (
    Layers,
    PerLevel,
    check_widths,
    convolution,
    in_a_row,
    initialised,
    split_at,
)
from panet.heads.pooling import LEVELS

SIDE = 14
"""Of the grids of the mask branch, in bins; a mask has twice that."""


class MaskLayers(nn.Module):
    """What comes behind the fusion of levels: convolutions, and one that doubles the size.

    Args:
        layers: the convolutions.
        channels: of all of them.
        taken: behind so many of them the grid for the fully-connected fusion is taken.
    """

    def __init__(self, layers: Layers, channels: int, taken: int) -> None:
        super().__init__()
        in_front, behind = split_at(layers, taken)
        self.in_front = in_a_row(in_front)
        self.behind = in_a_row(behind)
        self.upconv = initialised(nn.ConvTranspose2d(channels, channels, kernel_size=2, stride=2))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Take ``(K, C, side, side)``; return ``(K, C, 2 * side, 2 * side)``, and what is taken."""
        taken: Tensor = self.in_front(grid)
        return self.relu(self.upconv(self.behind(taken))), taken


class MaskHead(nn.Module):
    """Four 3x3 convolutions, the first of each level's own, and a transposed one.

    Args:
        channels: of the grids, and of all layers.
        convolutions: so many.
        levels: fine to coarse; `None`: one grid per proposal, as in Mask R-CNN with FPN.
        fuse: of levels, ``"max"`` or ``"sum"``, element by element.
        fuse_after: so many layers are each level's own.
        norm: GroupNorm behind the convolutions (official code), which then have no biases.
        fusion: what gives the class-agnostic mask; `None`: nothing does.
        fusion_from: the convolution behind which it begins: of table 5, 2, 3 or 4.

    Raises:
        InputError: what it cannot be built of.
    """

    def __init__(
        self,
        channels: int = 256,
        convolutions: int = 4,
        *,
        levels: Sequence[int] | None = LEVELS,
        fuse: str = "max",
        fuse_after: int = 1,
        norm: bool = False,
        fusion: FullyConnectedFusion | None = None,
        fusion_from: int = 3,
    ) -> None:
        super().__init__()
        check_widths("MaskHead", norm=norm, channels=channels)
        check_widths("MaskHead", norm=False, convolutions=convolutions)
        layers = {
            f"conv{place}": partial(convolution, channels, channels, norm=norm)
            for place in range(1, convolutions + 1)
        }
        own, shared = split_at(layers, fuse_after)
        if fusion_from not in range(max(fuse_after, 1), convolutions + 1):
            raise InputError(
                f"fusion_from={fusion_from}: give {max(fuse_after, 1)} to {convolutions}, a "
                "convolution behind which there is one grid"
            )
        self.out_channels = channels
        self.levels = PerLevel(own, levels, fuse)
        self.rest = MaskLayers(shared, channels, fusion_from - fuse_after)
        self.fusion = fusion

    def forward(self, grids: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Take a grid per level, each ``(K, channels, side, side)``.

        Returns:
            Features ``(K, channels, 2 * side, 2 * side)``; with a fusion its logits, too,
            ``(K, 1, 2 * side, 2 * side)``.

        Raises:
            InputError: a wrong number of levels.
        """
        features, taken = self.rest(self.levels(grids))
        return (features,) if self.fusion is None else (features, self.fusion(taken))


class MaskOutputs(nn.Module):
    """A 1x1 convolution: a mask of every class, and the class-agnostic one on top of each.

    Args:
        channels: of the head.
        classes: with the background.
        fuse: a name of `panet.heads.fusion.MASK_FUSIONS`.

    Raises:
        InputError: an unknown fusion.
    """

    def __init__(self, channels: int = 256, classes: int = 81, fuse: str = "sum") -> None:
        super().__init__()
        mask_fusion(fuse)
        self.fuse = fuse
        self.classify = initialised(nn.Conv2d(channels, classes, kernel_size=1))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Take what `MaskHead` returns; return logits ``(K, classes, 2 * side, 2 * side)``."""
        logits: Tensor = self.classify(features[0])
        return mask_fusion(self.fuse)(logits, features[1]) if len(features) > 1 else logits
