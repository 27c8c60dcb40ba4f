"""Concat PAN: top-down and bottom-up path that concatenate, and a CSP block at every node.

Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", section 2 and its code, after Bochkovskiy
et al., "YOLOv4", figure 6 (the PAN that concatenates), and Wang et al., "CSPNet" (the block).
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from panet.errors import InputError
from panet.necks.blocks import ConcatCoarser, ConcatFiner, ConvNorm, Norm, check_options
from panet.pyramid import check_pyramid

norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.03)
"""Of YOLOX."""

Block = Callable[[int, int], nn.Module]
"""Makes what every node ends with, of its channels before and behind."""

WIDEST = 4
"""YOLOX's coarsest level is so many times as wide as its finest."""


class ConcatPath(nn.Module):
    """Both paths, at widths of their own: what `ConcatPAN` and `panet.necks.ccfm.CCFM` share.

    Down: 1x1 convolution, nearest upsampling, concatenation, block; up: 3x3 convolution of stride
    2, concatenation with what the 1x1 convolution made, block.

    Args:
        widths: channels of the maps, fine to coarse, in and out.
        finest_level: the ``k`` of the first map; names the layers.
        block: makes the blocks.
        norm: behind every convolution, which SiLU follows.
    """

    def __init__(
        self, widths: Sequence[int], finest_level: int, block: Block, norm: Norm = norm
    ) -> None:
        super().__init__()
        self.levels = tuple(range(finest_level, finest_level + len(widths)))
        layer = partial(ConvNorm, norm=norm, activation=nn.SiLU)
        for k, fine, coarse in reversed(list(zip(self.levels, widths, widths[1:], strict=False))):
            self.add_module(f"lateral_p{k + 1}", layer(coarse, fine))
            self.add_module(f"concat_p{k}", ConcatFiner())
            self.add_module(f"block_p{k}", block(2 * fine, fine))
        for k, fine, coarse in zip(self.levels, widths, widths[1:], strict=False):
            self.add_module(f"downsample_n{k}", layer(fine, fine, kernel=3, stride=2))
            self.add_module(f"concat_n{k + 1}", ConcatCoarser())
            self.add_module(f"block_n{k + 1}", block(2 * fine, coarse))

    def forward(self, *maps: Tensor) -> tuple[Tensor, ...]:
        """Take and return one map of ``widths`` per level, fine to coarse."""
        above, laterals = maps[-1], []
        for k, own in zip(self.levels[-2::-1], maps[-2::-1], strict=True):
            laterals.append(self.get_submodule(f"lateral_p{k + 1}")(above))
            both = self.get_submodule(f"concat_p{k}")(laterals[-1], own)
            above = self.get_submodule(f"block_p{k}")(both)
        n = [above]
        for k, lateral in zip(self.levels[1:], reversed(laterals), strict=True):
            halved = self.get_submodule(f"downsample_n{k - 1}")(n[-1])
            both = self.get_submodule(f"concat_n{k}")(halved, lateral)
            n.append(self.get_submodule(f"block_n{k}")(both))
        return tuple(n)

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the layers behind p5..p3 and n4, n5; the coarsest p is a lateral alone."""
        p = {f"p{k}": (f"concat_p{k}", f"block_p{k}") for k in self.levels[:-1]}
        laterals = {f"p{k}": (f"lateral_p{k}",) for k in self.levels[1:]}
        n = {
            f"n{k}": (f"downsample_n{k - 1}", f"concat_n{k}", f"block_n{k}")
            for k in self.levels[1:]
        }
        return {f"p{k}": p.get(f"p{k}", ()) + laterals.get(f"p{k}", ()) for k in self.levels} | n


class Bottleneck(nn.Module):
    """1x1 and 3x3 convolution, without the shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layer = partial(ConvNorm, norm=norm, activation=nn.SiLU)
        self.reduce = layer(channels, channels)
        self.expand = layer(channels, channels, kernel=3)

    def forward(self, x: Tensor) -> Tensor:
        """Take and return ``(N, channels, H, W)``."""
        expanded: Tensor = self.expand(self.reduce(x))
        return expanded


class CSPBlock(nn.Module):
    """Half of the channels through bottlenecks, half past them, and a 1x1 convolution over both."""

    def __init__(self, in_channels: int, out_channels: int, bottlenecks: int = 3) -> None:
        super().__init__()
        half = out_channels // 2
        layer = partial(ConvNorm, norm=norm, activation=nn.SiLU)
        self.through = layer(in_channels, half)
        self.past = layer(in_channels, half)
        self.bottlenecks = nn.Sequential(*(Bottleneck(half) for _ in range(bottlenecks)))
        self.join = layer(2 * half, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Take ``(N, in_channels, H, W)``; return ``(N, out_channels, H, W)``."""
        both = torch.cat((self.bottlenecks(self.through(x)), self.past(x)), dim=1)
        joined: Tensor = self.join(both)
        return joined


class ConcatPAN(nn.Module):
    """YOLOX's neck, with the 1x1 convolutions that its head begins with.

    Args:
        in_channels: channels of the backbone's maps, fine to coarse, one per level.
        out_channels: channels of every output; YOLOX-l has 256.
        finest_level: the ``k`` of the first map, whose stride is ``2**k``; names the layers.
        widths: channels inside, per level. By default ``out_channels`` at the finest, doubling up
            to four times that, as in YOLOX, where the backbone's maps are as wide. A map of another
            width gets a 1x1 convolution in front.
        bottlenecks: of every CSP block.

    Raises:
        InputError: fewer than two levels, channels below 1, or not one even width per level.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 256,
        finest_level: int = 2,
        *,
        widths: Sequence[int] | None = None,
        bottlenecks: int = 3,
    ) -> None:
        super().__init__()
        check_options("ConcatPAN", in_channels, out_channels)
        doubling = [out_channels * min(2**index, WIDEST) for index in range(len(in_channels))]
        inside = doubling if widths is None else list(widths)
        if len(inside) != len(in_channels) or any(width < 2 or width % 2 for width in inside):
            raise InputError(f"ConcatPAN of widths={tuple(inside)}: give one even width per level")
        self.in_channels = tuple(in_channels)
        self.out_channels = out_channels
        self.levels = tuple(range(finest_level, finest_level + len(in_channels)))
        layer = partial(ConvNorm, norm=norm, activation=nn.SiLU)
        for k, channels, width in zip(self.levels, in_channels, inside, strict=True):
            other = channels != width
            self.add_module(f"project_c{k}", layer(channels, width) if other else nn.Identity())
        self.path = ConcatPath(inside, finest_level, partial(CSPBlock, bottlenecks=bottlenecks))
        for k, width in zip(self.levels, inside, strict=True):
            self.add_module(f"out_n{k}", layer(width, out_channels))

    def forward(self, *c: Tensor) -> tuple[Tensor, ...]:
        """Take one map per level of ``in_channels``; return one of ``out_channels`` per level.

        Raises:
            InputError: a wrong number of maps, wrong channels, or maps not ordered fine to coarse.
        """
        check_pyramid(c, self.in_channels, "c", self.levels[0])
        own = [self.get_submodule(f"project_c{k}")(x) for k, x in zip(self.levels, c, strict=True)]
        n = zip(self.levels, self.path(*own), strict=True)
        return tuple(self.get_submodule(f"out_n{k}")(x) for k, x in n)

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the layers behind c3..c5 where they are projected, p3..p5, and n3..n5."""
        path = {k: tuple(f"path.{layer}" for layer in v) for k, v in self.path.stages().items()}
        projected = {
            f"c{k}": (f"project_c{k}",)
            for k in self.levels
            if not isinstance(self.get_submodule(f"project_c{k}"), nn.Identity)
        }
        out = {f"n{k}": (*path.get(f"n{k}", ()), f"out_n{k}") for k in self.levels}
        return projected | path | out
