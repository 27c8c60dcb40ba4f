"""Fully-connected fusion: a second, class-agnostic view of the mask.

Source: Liu et al., "Path Aggregation Network for Instance Segmentation", section 3.4, figures 2 (e)
and 4, and table 5: two convolutions, the second of half the channels, and one fully-connected
layer see the whole grid at once; what they give is added to the logits of the convolutions.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from panet.errors import InputError, did_you_mean
from panet.heads.per_level import check_widths, convolution, undrawn

MASK_FUSIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sum": torch.add,
    "product": torch.mul,
    "max": torch.maximum,
}
"""Name -> how the logits of every class and the class-agnostic ones meet (table 5)."""


class FullyConnectedFusion(nn.Module):
    """Grid of the mask branch -> one foreground mask per proposal.

    Args:
        channels: of the grid.
        side: of the grid, in bins; the mask has twice that.
        norm: GroupNorm behind both convolutions (official code), which then have no biases.
        relu: a ReLU behind the fully-connected layer, so that what is added is never negative; the
            official code has it, the paper does not tell of it.

    Raises:
        InputError: an odd number of channels, or what GroupNorm cannot group.
    """

    def __init__(
        self, channels: int = 256, side: int = 14, *, norm: bool = False, relu: bool = False
    ) -> None:
        super().__init__()
        if channels % 2:
            raise InputError(f"FullyConnectedFusion of channels={channels}: give an even number")
        half = channels // 2
        check_widths("FullyConnectedFusion", norm=norm, channels=channels, half=half)
        check_widths("FullyConnectedFusion", norm=False, side=side)
        self.mask_side = 2 * side
        self.conv4_fc = convolution(channels, channels, norm=norm)
        self.conv5_fc = convolution(channels, half, norm=norm)
        self.fc = undrawn(half * side**2, self.mask_side**2)
        nn.init.normal_(self.fc.weight, std=0.01)  # official code
        nn.init.zeros_(self.fc.bias)
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, grid: Tensor) -> Tensor:
        """Take ``(K, channels, side, side)``; return logits ``(K, 1, 2 * side, 2 * side)``."""
        foreground: Tensor = self.relu(self.fc(self.conv5_fc(self.conv4_fc(grid)).flatten(1)))
        return foreground.reshape(-1, 1, self.mask_side, self.mask_side)


def mask_fusion(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function of a name of `MASK_FUSIONS`; raise `InputError` if there is none."""
    if name not in MASK_FUSIONS:
        hint = did_you_mean(name, MASK_FUSIONS, f"choose one of {', '.join(MASK_FUSIONS)}")
        raise InputError(f"unknown fusion of masks {name!r}; {hint}")
    return MASK_FUSIONS[name]
