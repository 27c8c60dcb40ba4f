"""FPN and bottom-up path in their general form: what they do is a row of `panet.behaviours`.

As `"article"` they give the weights and bits of `panet.FPN` and `panet.PANet`, which are plainer to
read; layers that both have are called alike. With a norm a layer is a convolution ``.0`` and its
norm ``.1``.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from panet.behaviours import Behaviour
from panet.errors import InputError
from panet.panet import PANet
from panet.pyramid import TopDownSum, check_pyramid

GROUPS = 32
"""Of GroupNorm (Wu and He, "Group Normalization", section 4; the official code)."""


class DoublingSum(nn.Module):
    """Upsample the coarser map by a factor of 2 and add it to the lateral one."""

    def forward(self, coarse: Tensor, lateral: Tensor) -> Tensor:
        """Take ``(N, C, h, w)`` and ``(N, C, 2h, 2w)``; return ``(N, C, 2h, 2w)``.

        Raises:
            InputError: the lateral map is not exactly twice as large.
        """
        upsampled = functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
        if upsampled.shape != lateral.shape:
            (height, width), (coarse_height, coarse_width) = lateral.shape[-2:], coarse.shape[-2:]
            raise InputError(
                f"a map of {height}x{width} is not twice the next of {coarse_height}x"
                f"{coarse_width}, and this behaviour upsamples by 2: pad images to multiples of "
                "the coarsest stride, or take a behaviour that upsamples to a size"
            )
        return upsampled + lateral


class GeneralFPN(nn.Module):
    """c2..c5 -> p2..p5, as a `Behaviour` says.

    Args:
        in_channels: channels of the backbone's maps, fine to coarse, one per level.
        behaviour: what it does.
        out_channels: channels of every p.
        finest_level: the ``k`` of the first map, whose stride is ``2**k``; names the layers.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        behaviour: Behaviour,
        out_channels: int,
        finest_level: int,
    ) -> None:
        super().__init__()
        self.in_channels = tuple(in_channels)
        self.out_channels = out_channels
        self.finest_level = finest_level
        self.levels = tuple(range(finest_level, finest_level + len(in_channels)))
        self.smoothed = self.levels if behaviour.smooth_coarsest else self.levels[:-1]
        bias, norm = behaviour.fpn_bias, behaviour.group_norm
        for level, channels in reversed(list(zip(self.levels, in_channels, strict=True))):
            lateral = nn.Conv2d(channels, out_channels, kernel_size=1, bias=bias)
            self.add_module(f"lateral_c{level}", _normed(lateral, norm))
        for level in reversed(self.levels[:-1]):
            add = TopDownSum() if behaviour.upsample_to_size else DoublingSum()
            self.add_module(f"topdown_m{level}", add)
        for level in reversed(self.smoothed):
            smooth = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=bias)
            self.add_module(f"smooth_m{level}", _normed(smooth, norm))

    def forward(self, *c: Tensor) -> tuple[Tensor, ...]:
        """Take c2..c5, each ``(N, in_channels[i], H/2**k, W/2**k)``; return p2..p5, fine to coarse.

        Raises:
            InputError: a wrong number of maps, wrong channels, or sizes that it refuses.
        """
        check_pyramid(c, self.in_channels, "c", self.finest_level)
        p: list[Tensor] = []
        m = None
        for level, feature_map in reversed(list(zip(self.levels, c, strict=True))):
            lateral: Tensor = self.get_submodule(f"lateral_c{level}")(feature_map)
            m = lateral if m is None else self.get_submodule(f"topdown_m{level}")(m, lateral)
            p.append(self.get_submodule(f"smooth_m{level}")(m) if level in self.smoothed else m)
        return tuple(reversed(p))

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the layers behind each output: ``{"p2": ("lateral_c2", ...), ...}``."""
        steps = ("lateral_c", "topdown_m", "smooth_m")
        return {
            f"p{level}": tuple(
                f"{step}{level}" for step in steps if hasattr(self, f"{step}{level}")
            )
            for level in self.levels
        }


class GeneralPANet(PANet):
    """p2..p5 -> n2..n5, as a `Behaviour` says.

    Args:
        channels: channels of every p and every n.
        behaviour: what it does.
        levels: number of levels.
        finest_level: the ``k`` of the first map, whose stride is ``2**k``; names the layers.
    """

    def __init__(self, channels: int, behaviour: Behaviour, levels: int, finest_level: int) -> None:
        super().__init__(channels, levels, finest_level)
        self.next_from_sum = behaviour.next_from_sum
        self.rectified = behaviour.relu
        for name, layer in list(self.named_children()):
            if isinstance(layer, nn.Conv2d):
                self.add_module(name, _normed(layer, behaviour.group_norm))

    def forward(self, *p: Tensor) -> tuple[Tensor, ...]:
        """Take p2..p5, each ``(N, channels, H/2**k, W/2**k)``; return n2..n5 of the same shapes.

        ``n2`` *is* ``p2``, the same tensor: changing one in place changes the other.

        Raises:
            InputError: a wrong number of maps, wrong channels, or maps not ordered fine to coarse.
        """
        check_pyramid(p, [self.channels] * len(self.levels), "p", self.finest_level)
        n = [p[0]]
        start = p[0]
        for level, coarser in zip(self.levels, p[1:], strict=False):
            step = f"n{level}down_p{level + 1}"
            down = self._activated(self.get_submodule(f"downsample_n{level}")(start))
            summed = self.get_submodule(f"sum_{step}")(down, coarser)
            n.append(self._activated(self.get_submodule(f"conv_{step}")(summed)))
            start = summed if self.next_from_sum else n[-1]
        return tuple(n)

    def _activated(self, x: Tensor) -> Tensor:
        return self.relu(x) if self.rectified else x


def _normed(convolution: nn.Conv2d, norm: bool) -> nn.Module:
    if not norm:
        return convolution
    return nn.Sequential(convolution, nn.GroupNorm(GROUPS, convolution.out_channels))
