"""A neck that adds the coarser map to the finer one, as FPN does: the base."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional


class Neck(nn.Module):
    """Maps of a backbone -> as many maps of equal depth, from coarse to fine.

    Args:
        in_channels: of the maps, fine to coarse.
        channels: of every map that comes out.
    """

    def __init__(self, in_channels: Sequence[int], channels: int = 64) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(k, channels, 1) for k in in_channels)
        self.smooth = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in in_channels
        )

    def forward(self, *maps: Tensor) -> tuple[Tensor, ...]:
        """Take the maps, fine to coarse; return as many, in the same order."""
        sides = [lateral(x) for lateral, x in zip(self.lateral, maps, strict=True)]
        summed = [sides[-1]]
        for side in reversed(sides[:-1]):
            summed.append(side + functional.interpolate(summed[-1], size=side.shape[-2:]))
        return tuple(smooth(x) for smooth, x in zip(self.smooth, reversed(summed), strict=True))
