"""What necks share: the two sums between neighbouring levels, and the checks of what they get.

A *pyramid* is a tuple of feature maps, fine to coarse; level ``k`` has stride ``2**k``, so each map
has half the height and width of the one before it (rounded up or down, as the backbone does it).
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from panet.errors import InputError


class TopDownSum(nn.Module):
    """Upsample the coarser map to the size of the lateral one and add them (FPN paper, section 3).

    Resizing *to a size* accepts every image; the article's fixed factor of 2 only those whose sides
    are 0, 29, 30 or 31 modulo 32, and there both give the same bits.
    """

    def forward(self, coarse: Tensor, lateral: Tensor) -> Tensor:
        """Take ``(N, C, h, w)`` and ``(N, C, H, W)``; return ``(N, C, H, W)``."""
        return upsample_like(coarse, lateral) + lateral


class BottomUpSum(nn.Module):
    """Add the downsampled map to the next coarser one (PANet paper, section 3.2)."""

    def forward(self, downsampled: Tensor, p: Tensor) -> Tensor:
        """Take ``(N, C, H or H+1, W or W+1)`` and ``(N, C, H, W)``; return ``(N, C, H, W)``."""
        return crop_like(downsampled, p) + p


def upsample_like(coarse: Tensor, fine: Tensor) -> Tensor:
    """Return ``coarse`` ``(N, C, h, w)`` at the size of ``fine`` ``(N, ..., H, W)``, nearest."""
    return functional.interpolate(coarse, size=fine.shape[-2:], mode="nearest")


def crop_like(halved: Tensor, coarse: Tensor) -> Tensor:
    """Return ``halved`` at the size of ``coarse``: without a row and a column that are too many.

    Strides halve by rounding up. Backbones that halve by rounding down (ConvNeXt, VGG) leave maps
    that are one pixel smaller.
    """
    height, width = coarse.shape[-2:]
    return halved if halved.shape[-2:] == coarse.shape[-2:] else halved[..., :height, :width]


def check_channels(neck: str, in_channels: Sequence[int], out_channels: int) -> None:
    """Raise `InputError` unless these are two levels or more, each of at least one channel."""
    if len(in_channels) < 2 or min(*in_channels, out_channels) < 1:
        raise InputError(
            f"{neck} of in_channels={tuple(in_channels)}, out_channels={out_channels}: "
            "give two levels or more, each of at least one channel"
        )


def check_pyramid(
    maps: Sequence[Tensor], channels: Sequence[int], prefix: str, finest: int
) -> None:
    """Raise `InputError` unless ``maps`` is a pyramid of these channels, finest level first."""
    names = [f"{prefix}{finest + index}" for index in range(len(channels))]
    if len(maps) != len(channels):
        expected = f"{len(channels)} feature maps ({', '.join(names)})"
        raise InputError(f"expected {expected}, got {len(maps)}; pass one map per level")
    for name, feature_map, expected_channels in zip(names, maps, channels, strict=True):
        if feature_map.ndim != 4 or feature_map.shape[1] != expected_channels:
            raise InputError(
                f"{name} has shape {list(feature_map.shape)}, expected "
                f"[batch, {expected_channels}, height, width]; "
                "set the channels of every level when the network is built"
            )
    for index in range(1, len(maps)):
        fine, coarse = maps[index - 1], maps[index]
        if not all(_halves(fine.shape[axis], coarse.shape[axis]) for axis in (-2, -1)):
            raise InputError(
                f"{names[index]} of {_size(coarse)} does not halve {names[index - 1]} of "
                f"{_size(fine)}; pass the maps fine to coarse, each half the size of the one before"
            )
        if fine.shape[0] != coarse.shape[0]:
            raise InputError(
                f"{names[index - 1]} holds {fine.shape[0]} images and {names[index]} "
                f"{coarse.shape[0]}; pass maps of the same batch"
            )


def _halves(fine_px: int, coarse_px: int) -> bool:
    return coarse_px > 0 and coarse_px in (fine_px // 2, (fine_px + 1) // 2)


def _size(feature_map: Tensor) -> str:
    return f"{feature_map.shape[-2]}x{feature_map.shape[-1]}"
