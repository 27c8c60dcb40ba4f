"""Which feature grids a proposal is seen on: those of every level, or that of one.

Source: Liu et al., "Path Aggregation Network for Instance Segmentation", section 3.3 and figure 2,
part (c); Lin et al., "Feature Pyramid Networks for Object Detection", section 4.2, equation 1, for
the rule that gives every proposal one level.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from panet.errors import InputError
from panet.heads.sampling import roi_align

LEVELS = (2, 3, 4, 5)
"""n2..n5, which the heads see in the paper; a coarser n6 is for its proposals alone."""

SAMPLING_RATIO = 2
"""Points per side of every bin (the official code's configurations, and torchvision)."""

CANONICAL_LEVEL, CANONICAL_SIDE_PX = 4, 224
"""A box of the size of an ImageNet picture is on level 4 (FPN paper, equation 1)."""

ROUNDING = 1e-6
"""In levels; as in Detectron and torchvision a box of just the canonical side is on its level."""


class AdaptiveFeaturePooling(nn.Module):
    """The paper's: every proposal is sampled on all levels; nothing is fused yet.

    Args:
        side: of the feature grids, in bins; the paper has 7 for boxes and 14 for masks.
        levels: of the maps, fine to coarse; level ``k`` has stride ``2**k``.
        sampling_ratio: points per side of every bin.
    """

    def __init__(
        self, side: int, levels: Sequence[int] = LEVELS, sampling_ratio: int = SAMPLING_RATIO
    ) -> None:
        super().__init__()
        self.side = side
        self.levels = tuple(levels)
        self.sampling_ratio = sampling_ratio

    def forward(self, maps: Sequence[Tensor], boxes: Tensor) -> tuple[Tensor, ...]:
        """Sample every box on every map.

        Args:
            maps: one per level, fine to coarse, ``(N, C, H/2**k, W/2**k)``.
            boxes: ``(K, 5)``: place of the image in the batch, and x1, y1, x2, y2 in its pixels.

        Returns:
            A grid per box and level, fine to coarse: each ``(K, C, side, side)``.

        Raises:
            InputError: not one map per level, or boxes of another shape.
        """
        check_pooled(maps, boxes, self.levels)
        return tuple(self._pool(x, boxes, k) for x, k in zip(maps, self.levels, strict=True))

    def _pool(self, x: Tensor, boxes: Tensor, level: int) -> Tensor:
        return roi_align(x, boxes, self.side, 2.0**-level, self.sampling_ratio)


class OneLevelPooling(AdaptiveFeaturePooling):
    """FPN's: every proposal is sampled on the one level that its size says.

    The same grids as those of torchvision's `MultiScaleRoIAlign`, which reads the strides off the
    first image that it sees.
    """

    # How many boxes are on a level is in the data: the compiler would make a graph for every count.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, maps: Sequence[Tensor], boxes: Tensor) -> tuple[Tensor, ...]:
        """Take what `AdaptiveFeaturePooling` takes; return one grid ``(K, C, side, side)``.

        Raises:
            InputError: see there.
        """
        check_pooled(maps, boxes, self.levels)
        level_of = levels_of(boxes, self.levels)
        grids = maps[0].new_zeros(len(boxes), maps[0].shape[1], self.side, self.side)
        for x, k in zip(maps, self.levels, strict=True):
            chosen = (level_of == k).nonzero().squeeze(1)
            grids = grids.index_copy(0, chosen, self._pool(x, boxes[chosen], k))
        return (grids,)


def levels_of(boxes: Tensor, levels: Sequence[int] = LEVELS) -> Tensor:
    """Return the level that FPN's rule gives every box: ``floor(4 + log2(side / 224))``, clamped.

    Args:
        boxes: ``(K, 5)``; see `AdaptiveFeaturePooling`.
        levels: from which to which, fine to coarse.

    Returns:
        ``(K,)``, whole numbers.
    """
    width_px, height_px = boxes[:, 3] - boxes[:, 1], boxes[:, 4] - boxes[:, 2]
    sides = (width_px * height_px).sqrt() / CANONICAL_SIDE_PX
    levels_there = torch.floor(CANONICAL_LEVEL + torch.log2(sides) + ROUNDING)
    return levels_there.clamp(levels[0], levels[-1]).long()


def check_pooled(maps: Sequence[Tensor], boxes: Tensor, levels: Sequence[int]) -> None:
    """Raise `InputError` unless there is one map per level, and boxes are ``(K, 5)``."""
    if len(maps) != len(levels):
        names = ", ".join(f"n{k}" for k in levels)
        raise InputError(f"expected {len(levels)} feature maps ({names}), got {len(maps)}")
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise InputError(
            f"boxes have shape {list(boxes.shape)}, expected [boxes, 5]: place of the image in the "
            "batch, x1, y1, x2, y2"
        )
