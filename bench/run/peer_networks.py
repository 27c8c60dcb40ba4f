"""Others' modules around the weights of ours: torchvision's FPN, and mmdetection's PAFPN.

torchvision's FPN then gives the same maps, so the ratio is what its way of writing it costs. The
PAFPN has the multiply-accumulates of PANet, but no ReLU, and starts every step from the sum before
the convolution: its convolutions do not wait for each other, and its maps are others.
"""

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn

from bench.schema.recipe import Recipe
from bench.workload.networks import Network, Shared, without_path
from panet import FPN, PANet


class TorchvisionFPN(nn.Module):
    """`torchvision.ops.FeaturePyramidNetwork` with the weights of an FPN of ours.

    Its 3x3 convolution of the coarsest level is taken out: ours, as the article's, has none.

    Args:
        fpn: whose weights it gets.
    """

    def __init__(self, fpn: FPN) -> None:
        super().__init__()
        from torchvision.ops import FeaturePyramidNetwork

        self.names = [str(level) for level in fpn.levels]
        self.pyramid = FeaturePyramidNetwork(list(fpn.in_channels), fpn.out_channels)
        for index, level in enumerate(fpn.levels):
            self.pyramid.inner_blocks[index][0] = fpn.get_submodule(f"lateral_c{level}")
            coarsest = level == fpn.levels[-1]
            smooth = nn.Identity() if coarsest else fpn.get_submodule(f"smooth_m{level}")
            self.pyramid.layer_blocks[index][0] = smooth

    def forward(self, *c: Tensor) -> tuple[Tensor, ...]:
        """Take c2..c5; return p2..p5, as `panet.FPN` does."""
        named = OrderedDict(zip(self.names, c, strict=True))
        return tuple(self.pyramid(named).values())


class MmdetPAFPN(nn.Module):
    """The bottom-up path as in mmdetection's ``PAFPN``, with the weights of a PANet of ours.

    Args:
        path: whose weights it gets.
    """

    def __init__(self, path: PANet) -> None:
        super().__init__()
        levels = path.levels[:-1]
        steps = [f"n{level}down_p{level + 1}" for level in levels]
        self.downsample = nn.ModuleList(path.get_submodule(f"downsample_n{k}") for k in levels)
        self.sum = nn.ModuleList(path.get_submodule(f"sum_{step}") for step in steps)
        self.fuse = nn.ModuleList(path.get_submodule(f"conv_{step}") for step in steps)

    def forward(self, *p: Tensor) -> tuple[Tensor, ...]:
        """Take p2..p5; return as many maps of the same shapes."""
        summed = [p[0]]
        for downsample, add, coarser in zip(self.downsample, self.sum, p[1:], strict=True):
            summed.append(add(downsample(summed[-1]), coarser))
        fused = (fuse(x) for fuse, x in zip(self.fuse, summed[1:], strict=True))
        return (summed[0], *fused)


def _with_torchvision(copied: Callable[[], nn.Module], recipe: Recipe, shared: Shared) -> nn.Module:
    network = without_path(copied, recipe, shared)
    network.fpn = TorchvisionFPN(network.fpn)  # type: ignore[arg-type]  # of ours
    return network


def _with_pafpn(copied: Callable[[], nn.Module], _recipe: Recipe, _shared: Shared) -> nn.Module:
    network = copied()
    network.panet = MmdetPAFPN(network.panet)  # type: ignore[arg-type]  # of ours
    return network


TORCHVISION_FPN = Network(_with_torchvision, like="fpn")
MMDET_PAFPN = Network(_with_pafpn, like="panet", same_outputs=False)
