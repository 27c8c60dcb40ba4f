"""FPN, the top-down path: c2..c5 -> p2..p5.

Source: Lin et al., "Feature Pyramid Networks for Object Detection", section 3, in the article's
form: the coarsest level is not smoothed, and nothing has an activation.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from panet.pyramid import TopDownSum, check_channels, check_pyramid


class FPN(nn.Module):
    """Lateral 1x1 convolutions, nearest upsampling, and 3x3 smoothing of all levels but the last.

    Args:
        in_channels: channels of the backbone's maps, fine to coarse, one per level.
        out_channels: channels of every p.
        finest_level: the ``k`` of the first map, whose stride is ``2**k``; names the layers.

    Raises:
        InputError: fewer than two levels, or channels below 1.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (256, 512, 1024, 2048),
        out_channels: int = 256,
        finest_level: int = 2,
    ) -> None:
        super().__init__()
        check_channels("FPN", in_channels, out_channels)
        self.in_channels = tuple(in_channels)
        self.out_channels = out_channels
        self.finest_level = finest_level
        self.levels = tuple(range(finest_level, finest_level + len(in_channels)))
        # Built coarse to fine, as in the article: with one seed the weights are the article's too.
        for level, channels in reversed(list(zip(self.levels, in_channels, strict=True))):
            self.add_module(f"lateral_c{level}", nn.Conv2d(channels, out_channels, kernel_size=1))
        for level in reversed(self.levels[:-1]):
            smooth = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1)
            self.add_module(f"topdown_m{level}", TopDownSum())
            self.add_module(f"smooth_m{level}", smooth)

    def forward(self, *c: Tensor) -> tuple[Tensor, ...]:
        """Take c2..c5, each ``(N, in_channels[i], H/2**k, W/2**k)``; return p2..p5, fine to coarse.

        Raises:
            InputError: a wrong number of maps, wrong channels, or maps not ordered fine to coarse.
        """
        check_pyramid(c, self.in_channels, "c", self.finest_level)
        coarsest = self.levels[-1]
        m = self.get_submodule(f"lateral_c{coarsest}")(c[-1])
        p = [m]
        for index in reversed(range(len(c) - 1)):
            level = self.levels[index]
            lateral = self.get_submodule(f"lateral_c{level}")(c[index])
            m = self.get_submodule(f"topdown_m{level}")(m, lateral)
            p.append(self.get_submodule(f"smooth_m{level}")(m))
        return tuple(reversed(p))

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the layers behind each output: ``{"p2": ("lateral_c2", ...), ...}``."""
        steps = ("lateral_c", "topdown_m", "smooth_m")
        finer = {f"p{k}": tuple(f"{step}{k}" for step in steps) for k in self.levels[:-1]}
        return finer | {f"p{self.levels[-1]}": (f"lateral_c{self.levels[-1]}",)}
