"""The paper's neck in one module: FPN, then the bottom-up path."""

from collections.abc import Sequence

from torch import Tensor, nn

from panet.fpn import FPN
from panet.panet import PANet


class FPNPANet(nn.Module):
    """`panet.FPN` and `panet.PANet` one after the other: c2..c5 -> p2..p5 -> n2..n5.

    Source: Liu et al., "Path Aggregation Network for Instance Segmentation", section 3.2.

    Args:
        in_channels: channels of the backbone's maps, fine to coarse, one per level.
        out_channels: channels of every p and every n.
        finest_level: the ``k`` of the first map, whose stride is ``2**k``; names the layers.

    Raises:
        InputError: fewer than two levels, or channels below 1.
    """

    def __init__(
        self, in_channels: Sequence[int], out_channels: int = 256, finest_level: int = 2
    ) -> None:
        super().__init__()
        self.fpn = FPN(in_channels, out_channels, finest_level)
        self.panet = PANet(out_channels, len(in_channels), finest_level)
        self.in_channels = self.fpn.in_channels
        self.out_channels = out_channels
        self.levels = self.fpn.levels

    def forward(self, *c: Tensor) -> tuple[Tensor, ...]:
        """Take c2..c5, each ``(N, in_channels[i], H/2**k, W/2**k)``; return n2..n5.

        Raises:
            InputError: a wrong number of maps, wrong channels, or maps not ordered fine to coarse.
        """
        n: tuple[Tensor, ...] = self.panet(*self.fpn(*c))
        return n

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the layers behind p2..p5 and n2..n5."""
        return {
            level: tuple(f"{part}.{layer}" for layer in layers)
            for part, module in (("fpn", self.fpn), ("panet", self.panet))
            for level, layers in module.stages().items()
        }
