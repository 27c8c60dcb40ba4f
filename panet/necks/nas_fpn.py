"""NAS-FPN: seven merging cells in the order that a search has found, several times over.

Source: Ghiasi et al., "NAS-FPN: Learning Scalable Feature Pyramid Architecture for Object
Detection", section 3 and figure 7; global pooling by the average, as in mmdetection.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from panet.errors import InputError
from panet.necks.blocks import ConvNorm, check_options
from panet.pyramid import check_pyramid, crop_like, upsample_like


def attend(weighted: Tensor, own: Tensor) -> Tensor:
    """Return ``own`` and, weighted by its own global average, another map: global pooling."""
    return own + torch.sigmoid(own.mean(dim=(-2, -1), keepdim=True)) * weighted


@dataclass(frozen=True)
class Merging:
    """A merging cell: which maps meet, and at which level; 0 is P3, the finest."""

    name: str
    level: int
    merge: Callable[[Tensor, Tensor], Tensor]
    inputs: tuple[int, int]
    """Places of maps: 0 to 4 are what comes in, fine to coarse; 5 is what the first cell makes."""
    add_input: bool = False
    """Whether the map of the level that came in, which is used nowhere else, is added."""


LEVELS = 5
"""P3 to P7, which the search was for."""

CELLS = (
    Merging("attend_p4", 1, attend, (3, 1)),
    Merging("sum_p4", 1, operator.add, (5, 1)),
    Merging("out_p3", 0, operator.add, (6, 0)),
    Merging("out_p4", 1, operator.add, (7, 6)),
    Merging("out_p5", 2, attend, (8, 7), add_input=True),
    Merging("out_p7", 4, attend, (9, 6), add_input=True),
    Merging("out_p6", 3, attend, (10, 9)),
)
OUT = (7, 8, 9, 11, 10)
"""Places of what goes out, fine to coarse."""
AT_LEVEL = (*range(LEVELS), *(cell.level for cell in CELLS))
"""Level of the map at each place."""


def resize_like(x: Tensor, like: Tensor, halvings: int) -> Tensor:
    """Return ``x`` at the size of ``like``: nearest, or so many levels up the maxima of fields."""
    if halvings < 0:
        return upsample_like(x, like)
    return x if halvings == 0 else crop_like(shrink(x, halvings), like)


def shrink(x: Tensor, halvings: int = 1) -> Tensor:
    """Return ``(N, C, H, W)`` halved so often, rounded up, by the maximum of each field."""
    return functional.max_pool2d(x, 2**halvings, ceil_mode=True)


class MergingCell(nn.Module):
    """Both maps at one size, merged; ReLU, 3x3 convolution, norm.

    Args:
        facts: of `CELLS`.
        channels: of all maps.
    """

    def __init__(self, facts: Merging, channels: int) -> None:
        super().__init__()
        self.merge = facts.merge
        self.halvings = tuple(facts.level - AT_LEVEL[place] for place in facts.inputs)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, like: Tensor, first: Tensor, second: Tensor, *added: Tensor) -> Tensor:
        """Take maps of ``channels``, the first and the added ones of the size that it returns."""
        resized = map(resize_like, (first, second), (like, like), self.halvings)
        merged = self.merge(*resized)
        for x in added:
            merged = merged + x
        normed: Tensor = self.norm(self.conv(functional.relu(merged)))
        return normed


class NASFPNStage(nn.Module):
    """The seven merging cells once."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for facts in CELLS:
            self.add_module(facts.name, MergingCell(facts, channels))

    def forward(self, *p: Tensor) -> tuple[Tensor, ...]:
        """Take and return P3..P7."""
        maps = list(p)
        for facts in CELLS:
            like, inputs = p[facts.level], (maps[place] for place in facts.inputs)
            added = (like,) if facts.add_input else ()
            maps.append(self.get_submodule(facts.name)(like, *inputs, *added))
        return tuple(maps[place] for place in OUT)


class NASFPN(nn.Module):
    """1x1 convolutions, and the cells one stack after the other.

    Args:
        in_channels: channels of the backbone's maps, fine to coarse, one per level.
        out_channels: channels of every map inside and of every output.
        finest_level: the ``k`` of the first map, whose stride is ``2**k``; names the layers.
        repeats: so many stacks.
        extra_levels: so many coarser levels are made of the coarsest map, by a 1x1 convolution and
            2x2 maxima each; the paper has P6 and P7 of C5. All levels together must be five.

    Raises:
        InputError: not five levels, or channels or repeats below 1.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 256,
        finest_level: int = 3,
        *,
        repeats: int = 7,
        extra_levels: int = 0,
    ) -> None:
        super().__init__()
        check_options(
            "NASFPN", in_channels, out_channels, repeats=repeats, extra_levels=extra_levels
        )
        if len(in_channels) + extra_levels != LEVELS:
            raise InputError(
                f"NASFPN of {len(in_channels)} in_channels, extra_levels={extra_levels}: its cells "
                f"were found for {LEVELS} levels; give {LEVELS} in all"
            )
        self.in_channels = tuple(in_channels)
        self.out_channels = out_channels
        self.levels = tuple(range(finest_level, finest_level + LEVELS))
        for k, channels in zip(self.levels, in_channels, strict=False):
            self.add_module(f"lateral_c{k}", ConvNorm(channels, out_channels))
        for k in self.levels[len(in_channels) :]:
            self.add_module(f"extra_c{k}", ConvNorm(out_channels, out_channels))
        self.stacks = nn.ModuleList(NASFPNStage(out_channels) for _ in range(repeats))

    def forward(self, *c: Tensor) -> tuple[Tensor, ...]:
        """Take one map per level of ``in_channels``; return one of ``out_channels`` per level.

        Raises:
            InputError: a wrong number of maps, wrong channels, or maps not ordered fine to coarse.
        """
        check_pyramid(c, self.in_channels, "c", self.levels[0])
        pairs = zip(self.levels, c, strict=False)
        maps = tuple(self.get_submodule(f"lateral_c{k}")(x) for k, x in pairs)
        for k in self.levels[len(c) :]:
            maps = (*maps, shrink(self.get_submodule(f"extra_c{k}")(maps[-1])))
        for stack in self.stacks:
            maps = stack(*maps)
        return maps

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the layers behind c3..c7, and the merging cells behind p3..p7, of all stacks."""
        given = len(self.in_channels)
        c = {f"c{k}": (f"lateral_c{k}",) for k in self.levels[:given]}
        extra = {f"c{k}": (f"extra_c{k}",) for k in self.levels[given:]}
        p = {
            f"p{k}": tuple(
                f"stacks.{index}.{facts.name}"
                for index in range(len(self.stacks))
                for facts in CELLS
                if facts.level == place
            )
            for place, k in enumerate(self.levels)
        }
        return c | extra | p
