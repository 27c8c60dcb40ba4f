"""CCFM, the cross-scale fusion of RT-DETR's hybrid encoder.

Source: Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", section 4.2; the first
version says CCFM, the published one CCFF.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from panet.errors import InputError
from panet.necks.aifi import AIFI
from panet.necks.blocks import ConvNorm, check_options
from panet.necks.concat_pan import ConcatPath
from panet.pyramid import check_pyramid


class RepBlock(nn.Module):
    """3x3 and 1x1 convolution side by side, summed, SiLU (RepVGG)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.three: ConvNorm | nn.Conv2d = ConvNorm(channels, channels, kernel=3)
        self.one: ConvNorm | None = ConvNorm(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Take and return ``(N, channels, H, W)``."""
        summed = self.three(x) if self.one is None else self.three(x) + self.one(x)
        return functional.silu(summed)

    def deploy(self) -> None:
        """Become a single 3x3 convolution of the same values in `eval`; no way back."""
        if self.one is None or not isinstance(self.three, ConvNorm):
            return
        three, one = self.three.fused(), self.one.fused()
        with torch.no_grad():
            three.weight += functional.pad(one.weight, (1, 1, 1, 1))
            three.bias += one.bias  # type: ignore[operator]  # a fused convolution has one
        self.three, self.one = three, None


class CSPRep(nn.Module):
    """Through rep blocks and past them, each behind a 1x1 convolution, summed."""

    def __init__(self, in_channels: int, out_channels: int, blocks: int = 3) -> None:
        super().__init__()
        self.through = ConvNorm(in_channels, out_channels, activation=nn.SiLU)
        self.past = ConvNorm(in_channels, out_channels, activation=nn.SiLU)
        self.blocks = nn.Sequential(*(RepBlock(out_channels) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """Take ``(N, in_channels, H, W)``; return ``(N, out_channels, H, W)``."""
        summed: Tensor = self.blocks(self.through(x)) + self.past(x)
        return summed


class CCFM(nn.Module):
    """1x1 projections to one width, then top-down and bottom-up path of concatenations.

    The attention within the coarsest level (AIFI) is a module of its own in the paper, the other
    half of the hybrid encoder, so it is an option here.

    Args:
        in_channels: channels of the backbone's maps, fine to coarse, one per level.
        out_channels: channels of every map inside and of every output.
        finest_level: the ``k`` of the first map, whose stride is ``2**k``; names the layers.
        aifi: put the paper's attention in front, which makes it the whole hybrid encoder;
            ``out_channels`` must then be a multiple of 8.
        blocks: rep blocks of every CSPRep.

    Raises:
        InputError: fewer than two levels, or channels below 1 or, with ``aifi``, that heads cannot
            share.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 256,
        finest_level: int = 2,
        *,
        aifi: bool = False,
        blocks: int = 3,
    ) -> None:
        super().__init__()
        check_options("CCFM", in_channels, out_channels)
        self.in_channels = tuple(in_channels)
        self.out_channels = out_channels
        self.levels = tuple(range(finest_level, finest_level + len(in_channels)))
        for k, channels in zip(self.levels, in_channels, strict=True):
            self.add_module(f"project_c{k}", ConvNorm(channels, out_channels))
        self.aifi = AIFI(out_channels) if aifi else None
        widths = [out_channels] * len(in_channels)
        block = partial(CSPRep, blocks=blocks)
        self.path = ConcatPath(widths, finest_level, block, nn.BatchNorm2d)

    def forward(self, *c: Tensor) -> tuple[Tensor, ...]:
        """Take one map per level of ``in_channels``; return one of ``out_channels`` per level.

        Raises:
            InputError: a wrong number of maps, wrong channels, or maps not ordered fine to coarse.
        """
        check_pyramid(c, self.in_channels, "c", self.levels[0])
        own = [self.get_submodule(f"project_c{k}")(x) for k, x in zip(self.levels, c, strict=True)]
        if self.aifi is not None:
            own[-1] = self.aifi(own[-1])
        n: tuple[Tensor, ...] = self.path(*own)
        return n

    def deploy(self) -> None:
        """Make every rep block a single convolution, as it runs when trained.

        Raises:
            InputError: in training, where the two norms of a block have statistics of their own.
        """
        if self.training:
            raise InputError("CCFM.deploy in training: call eval() first")
        for block in self.modules():
            if isinstance(block, RepBlock):
                block.deploy()

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the layers behind c3..c5, p3..p5, and n4, n5; the attention is of c5."""
        attention = () if self.aifi is None else ("aifi",)
        last = f"c{self.levels[-1]}"
        c = {f"c{k}": (f"project_c{k}",) for k in self.levels}
        path = {k: tuple(f"path.{layer}" for layer in v) for k, v in self.path.stages().items()}
        return c | {last: (*c[last], *attention)} | path
