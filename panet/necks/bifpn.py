"""BiFPN: weighted sums down and up again, several times over.

Source: Tan et al., "EfficientDet: Scalable and Efficient Object Detection", section 3 and figure 2,
part (d). As in the authors' code, every use of a backbone's map has a 1x1 convolution of its own.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from panet.necks.blocks import ConvNorm, check_options
from panet.pyramid import check_pyramid, crop_like, upsample_like

EPSILON = 1e-4
"""Keeps the sum of the weights from zero (section 3.3)."""

norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
"""Of the authors' code."""


def halve(fine: Tensor) -> Tensor:
    """Return ``(N, C, H, W)`` at half the size, rounded up: 3x3 maxima of stride 2."""
    return functional.max_pool2d(fine, kernel_size=3, stride=2, padding=1)


def halve_like(fine: Tensor, coarse: Tensor) -> Tensor:
    """Return a finer map at the size of the next coarser one."""
    return crop_like(halve(fine), coarse)


class WeightedSum(nn.Module):
    """A node: fast normalised fusion (section 3.3), swish, separable 3x3 convolution, norm.

    Args:
        in_channels: of the maps that meet.
        width: channels of what it returns.
        resize: brings the last map to the size of the others.
    """

    def __init__(
        self, in_channels: Sequence[int], width: int, resize: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.project = nn.ModuleList(
            nn.Identity() if channels == width else ConvNorm(channels, width, norm=norm)
            for channels in in_channels
        )
        self.resize = resize
        self.weight = nn.Parameter(torch.ones(len(in_channels)))
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.pointwise = nn.Conv2d(width, width, 1, bias=False)
        self.norm = norm(width)

    def forward(self, *maps: Tensor) -> Tensor:
        """Take maps ``(N, in_channels[i], H, W)``, the last of another size; return one of them."""
        *own, other = (project(x) for project, x in zip(self.project, maps, strict=True))
        weight = functional.relu(self.weight)
        share = weight / (weight.sum() + EPSILON)
        fused = share[-1] * self.resize(other, own[0])
        for index, x in enumerate(own):
            fused = fused + share[index] * x
        fused = self.pointwise(self.depthwise(functional.silu(fused)))
        normed: Tensor = self.norm(fused)
        return normed


class BiFPNCell(nn.Module):
    """Once down and once up; the map of a level goes into both of its nodes."""

    def __init__(self, in_channels: Sequence[int], width: int, levels: Sequence[int]) -> None:
        super().__init__()
        self.levels = tuple(levels)
        last = len(levels) - 1
        for index in reversed(range(last)):
            coarser = in_channels[last] if index + 1 == last else width
            node = WeightedSum((in_channels[index], coarser), width, upsample_like)
            self.add_module(f"topdown_p{levels[index]}", node)
        for index in range(1, last + 1):
            between = () if index == last else (width,)
            node = WeightedSum((in_channels[index], *between, width), width, halve_like)
            self.add_module(f"bottomup_n{levels[index]}", node)

    def forward(self, *c: Tensor) -> tuple[Tensor, ...]:
        """Take and return one map per level, fine to coarse."""
        p = [c[-1]]
        for level, own in zip(self.levels[-2::-1], c[-2::-1], strict=True):
            p.insert(0, self.get_submodule(f"topdown_p{level}")(own, p[0]))
        n = [p[0]]
        for level, own, between in zip(self.levels[1:], c[1:], p[1:], strict=True):
            inputs = (own,) if level == self.levels[-1] else (own, between)
            n.append(self.get_submodule(f"bottomup_n{level}")(*inputs, n[-1]))
        return tuple(n)


class BiFPN(nn.Module):
    """Cells one after the other; the first one projects the backbone's maps.

    Args:
        in_channels: channels of the backbone's maps, fine to coarse, one per level.
        out_channels: channels of every output; the paper's smallest detector has 64.
        finest_level: the ``k`` of the first map, whose stride is ``2**k``; names the layers.
        repeats: number of cells.
        extra_levels: so many coarser levels are made of the coarsest map, by a 1x1 convolution and
            3x3 maxima; the paper makes P6 and P7 of C5.

    Raises:
        InputError: fewer than two levels, channels or repeats below 1, or extra levels below 0.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 256,
        finest_level: int = 2,
        *,
        repeats: int = 3,
        extra_levels: int = 0,
    ) -> None:
        super().__init__()
        check_options(
            "BiFPN", in_channels, out_channels, repeats=repeats, extra_levels=extra_levels
        )
        self.in_channels = tuple(in_channels)
        self.out_channels = out_channels
        channels = [*in_channels, *[out_channels] * extra_levels]
        self.levels = tuple(range(finest_level, finest_level + len(channels)))
        self.extra = self.levels[len(in_channels) :]
        if self.extra and in_channels[-1] != out_channels:
            project = ConvNorm(in_channels[-1], out_channels, norm=norm)
            self.add_module(f"extra_c{self.extra[0]}", project)
        self.cells = nn.ModuleList()
        for _ in range(repeats):
            self.cells.append(BiFPNCell(channels, out_channels, self.levels))
            channels = [out_channels] * len(channels)

    def forward(self, *c: Tensor) -> tuple[Tensor, ...]:
        """Take one map per level of ``in_channels``; return one of ``out_channels`` per level.

        Raises:
            InputError: a wrong number of maps, wrong channels, or maps not ordered fine to coarse.
        """
        check_pyramid(c, self.in_channels, "c", self.levels[0])
        maps = c
        for level in self.extra:
            project = self._modules.get(f"extra_c{level}")
            maps = (*maps, halve(maps[-1] if project is None else project(maps[-1])))
        for cell in self.cells:
            maps = cell(*maps)
        return maps

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the nodes behind p6..p3 and n4..n7, of all cells, and what makes c6."""
        cells = range(len(self.cells))
        extra = {f"c{k}": (f"extra_c{k}",) for k in self.extra if f"extra_c{k}" in self._modules}
        down = {f"p{k}": tuple(f"cells.{i}.topdown_p{k}" for i in cells) for k in self.levels[:-1]}
        up = {f"n{k}": tuple(f"cells.{i}.bottomup_n{k}" for i in cells) for k in self.levels[1:]}
        return extra | down | up
