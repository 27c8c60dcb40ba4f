"""PANet's bottom-up path: p2..p5 -> n2..n5.

Source: Liu et al., "Path Aggregation Network for Instance Segmentation", section 3.2 and figure 2,
part (b): every convolution is followed by ReLU, and the next step starts from n(i+1). (The "PAFPN"
of mmdetection starts from the sum before its convolution instead: another network.)
"""

from torch import Tensor, nn

from panet.errors import InputError
from panet.pyramid import BottomUpSum, check_pyramid


class PANet(nn.Module):
    """Per step: 3x3 stride-2 convolution + ReLU, sum with the next p, 3x3 convolution + ReLU.

    Args:
        channels: channels of every p and every n.
        levels: number of levels, two or more.
        finest_level: the ``k`` of the first map, whose stride is ``2**k``; names the layers.

    Raises:
        InputError: fewer than two levels, or channels below 1.
    """

    def __init__(self, channels: int = 256, levels: int = 4, finest_level: int = 2) -> None:
        super().__init__()
        if levels < 2 or channels < 1:
            raise InputError(
                f"PANet of channels={channels}, levels={levels}: "
                "give two levels or more, each of at least one channel"
            )
        self.channels = channels
        self.finest_level = finest_level
        self.levels = tuple(range(finest_level, finest_level + levels))
        for level in self.levels[:-1]:
            downsample = nn.Conv2d(channels, channels, kernel_size=3, stride=2, padding=1)
            self.add_module(f"downsample_n{level}", downsample)
        for level in self.levels[:-1]:
            fuse = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
            self.add_module(f"sum_n{level}down_p{level + 1}", BottomUpSum())
            self.add_module(f"conv_n{level}down_p{level + 1}", fuse)
        self.relu = nn.ReLU()

    def forward(self, *p: Tensor) -> tuple[Tensor, ...]:
        """Take p2..p5, each ``(N, channels, H/2**k, W/2**k)``; return n2..n5 of the same shapes.

        ``n2`` *is* ``p2``, the same tensor: changing one in place changes the other.

        Raises:
            InputError: a wrong number of maps, wrong channels, or maps not ordered fine to coarse.
        """
        check_pyramid(p, [self.channels] * len(self.levels), "p", self.finest_level)
        n = [p[0]]
        for level, coarser in zip(self.levels, p[1:], strict=False):
            step = f"n{level}down_p{level + 1}"
            down = self.relu(self.get_submodule(f"downsample_n{level}")(n[-1]))
            summed = self.get_submodule(f"sum_{step}")(down, coarser)
            n.append(self.relu(self.get_submodule(f"conv_{step}")(summed)))
        return tuple(n)

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the layers behind each output: ``{"n3": ("downsample_n2", ...), ...}``."""
        layers: dict[str, tuple[str, ...]] = {f"n{self.levels[0]}": ()}
        for k in self.levels[:-1]:
            step = f"n{k}down_p{k + 1}"
            layers[f"n{k + 1}"] = (f"downsample_n{k}", f"sum_{step}", f"conv_{step}")
        return layers
