"""What several necks are made of: convolution with its norm, concatenations, one check."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from panet.errors import InputError
from panet.pyramid import check_channels, crop_like, upsample_like

Norm = Callable[[int], nn.Module]
"""Makes the normalisation of so many channels."""


class ConvNorm(nn.Sequential):
    """Convolution without bias, normalisation, and an activation if there is one.

    Args:
        in_channels: of the map.
        out_channels: of what it returns.
        kernel: side of the kernel, odd; the padding keeps the size.
        stride: 2 halves the map, rounding up.
        norm: behind the convolution.
        activation: behind the norm; none by default.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        norm: Norm = nn.BatchNorm2d,
        activation: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        padding = kernel // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False)
        self.norm = norm(out_channels)
        if activation is not None:
            self.activation = activation()

    def fused(self) -> nn.Conv2d:
        """Return convolution and batch norm as one convolution of the same values in `eval`."""
        assert isinstance(self.norm, nn.BatchNorm2d)  # noqa: S101 - of whoever deploys
        return fuse_conv_bn_eval(self.conv, self.norm)


class ConcatFiner(nn.Module):
    """Concatenate a coarser map, upsampled, and one of the level itself."""

    def forward(self, coarse: Tensor, own: Tensor) -> Tensor:
        """Take ``(N, C, h, w)`` and ``(N, D, H, W)``; return ``(N, C + D, H, W)``."""
        return torch.cat((upsample_like(coarse, own), own), dim=1)


class ConcatCoarser(nn.Module):
    """Concatenate a finer map, halved by a convolution, and one of the level itself."""

    def forward(self, halved: Tensor, own: Tensor) -> Tensor:
        """Take ``(N, C, H or H+1, W or W+1)`` and ``(N, D, H, W)``; return ``(N, C + D, H, W)``."""
        return torch.cat((crop_like(halved, own), own), dim=1)


def check_options(
    neck: str,
    in_channels: Sequence[int],
    out_channels: int,
    *,
    repeats: int = 1,
    extra_levels: int = 0,
) -> None:
    """Raise `InputError` unless these are two levels or more, each of at least one channel.

    ``repeats`` must be 1 or more, and ``extra_levels`` 0 or more.
    """
    if repeats < 1:
        raise InputError(f"{neck} of repeats={repeats}: give 1 or more")
    if extra_levels < 0:
        raise InputError(f"{neck} of extra_levels={extra_levels}: give 0 or more")
    check_channels(neck, in_channels, out_channels)
