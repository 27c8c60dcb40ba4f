"""The box branch: from the grids of every proposal to a class and a box.

Source: Liu et al., "Path Aggregation Network for Instance Segmentation", section 3.3 and figure 2,
part (d), and the heavier head of section 4.1.2; widths and norms are those of the official code.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from panet.heads.per_level import (
    Layers,
    PerLevel,
    check_widths,
    convolution,
    fully_connected,
    in_a_row,
    split_at,
)
from panet.heads.pooling import LEVELS

SIDE = 7
"""Of the grids of the box branch, in bins."""

WIDTH = 1024
"""Of its fully-connected layers."""


class BoxHead(nn.Module):
    """What the two box heads share: layers per level, the fusion, the rest.

    Args:
        layers: all, in their order.
        width: of what the last one returns.
        levels: fine to coarse; `None`: one grid per proposal.
        fuse: ``"max"`` or ``"sum"``.
        fuse_after: so many layers are each level's own.
    """

    def __init__(
        self, layers: Layers, width: int, levels: Sequence[int] | None, fuse: str, fuse_after: int
    ) -> None:
        super().__init__()
        own, shared = split_at(layers, fuse_after)
        self.out_channels = width
        self.levels = PerLevel(own, levels, fuse)
        self.rest = in_a_row(shared)

    def forward(self, grids: Sequence[Tensor]) -> Tensor:
        """Take a grid per level, each ``(K, channels, side, side)``; return ``(K, width)``.

        Raises:
            InputError: a wrong number of levels.
        """
        features: Tensor = self.rest(self.levels(grids))
        return features


class TwoLayerBoxHead(BoxHead):
    """Two fully-connected layers, the first of each level's own.

    Args:
        channels: of the grids.
        side: of the grids, in bins.
        width: of both layers.
        levels: fine to coarse; `None`: one grid per proposal, as in Mask R-CNN with FPN.
        fuse: ``"max"`` or ``"sum"``, element by element.
        fuse_after: so many layers are each level's own: 0, 1 or 2 (table 4 has 0 and 1).
        norm: GroupNorm behind both layers (official code).

    Raises:
        InputError: what it cannot be built of.
    """

    def __init__(
        self,
        channels: int = 256,
        side: int = SIDE,
        width: int = WIDTH,
        *,
        levels: Sequence[int] | None = LEVELS,
        fuse: str = "max",
        fuse_after: int = 1,
        norm: bool = False,
    ) -> None:
        check_widths("TwoLayerBoxHead", norm=norm, width=width)
        check_widths("TwoLayerBoxHead", norm=False, channels=channels, side=side)
        layers = {
            "fc1": partial(fully_connected, channels * side**2, width, norm=norm),
            "fc2": partial(fully_connected, width, width, norm=norm),
        }
        super().__init__(layers, width, levels, fuse, fuse_after)


class ConvolutionBoxHead(BoxHead):
    """The heavier head: 3x3 convolutions, the first of each level's own, and one linear layer.

    Args:
        channels: of the grids, and of the convolutions.
        side: of the grids, in bins.
        width: of the fully-connected layer.
        convolutions: so many.
        levels: fine to coarse; `None`: one grid per proposal.
        fuse: ``"max"`` or ``"sum"``, element by element.
        fuse_after: so many layers are each level's own.
        norm: GroupNorm behind the convolutions (official code), which then have no biases.

    Raises:
        InputError: what it cannot be built of.
    """

    def __init__(
        self,
        channels: int = 256,
        side: int = SIDE,
        width: int = WIDTH,
        convolutions: int = 4,
        *,
        levels: Sequence[int] | None = LEVELS,
        fuse: str = "max",
        fuse_after: int = 1,
        norm: bool = True,
    ) -> None:
        check_widths("ConvolutionBoxHead", norm=norm, channels=channels)
        check_widths(
            "ConvolutionBoxHead", norm=False, side=side, width=width, convolutions=convolutions
        )
        layers = {
            f"conv{place}": partial(convolution, channels, channels, norm=norm)
            for place in range(1, convolutions + 1)
        }
        last = {"fc": partial(fully_connected, channels * side**2, width, norm=False)}
        super().__init__({**layers, **last}, width, levels, fuse, fuse_after)


class BoxOutputs(nn.Module):
    """Two linear layers: the class, the background first, and a box for every class.

    Args:
        features: width of the head.
        classes: with the background.
    """

    def __init__(self, features: int = WIDTH, classes: int = 81) -> None:
        super().__init__()
        self.cls_score = nn.Linear(features, classes)
        self.bbox_pred = nn.Linear(features, 4 * classes)
        for layer, deviation in ((self.cls_score, 0.01), (self.bbox_pred, 0.001)):
            nn.init.normal_(layer.weight, std=deviation)  # official code, after Detectron
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Take ``(K, features)``; return logits ``(K, classes)``, deltas ``(K, 4 * classes)``."""
        return self.cls_score(features), self.bbox_pred(features)
