"""What FPN and PANet share: the two sums between neighbouring levels, and the check of their input.

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
        return functional.interpolate(coarse, size=lateral.shape[-2:], mode="nearest") + lateral


class BottomUpSum(nn.Module):
    """Add the downsampled map to the next coarser one (PANet paper, section 3.2)."""

    def forward(self, downsampled: Tensor, p: Tensor) -> Tensor:
        """Take ``(N, C, H or H+1, W or W+1)`` and ``(N, C, H, W)``; return ``(N, C, H, W)``.

        The stride-2 convolution halves by rounding up. Backbones that halve by rounding down
        (ConvNeXt, VGG) leave it one pixel larger than ``p``: that row and column are cropped.
        """
        if downsampled.shape != p.shape:
            height, width = p.shape[-2:]
            downsampled = downsampled[..., :height, :width]
        return downsampled + p


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
