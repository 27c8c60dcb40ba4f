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
from panet.behaviours import BEHAVIOURS
from panet.general import GeneralPANet


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


def _with_torchvision(copied: Callable[[], nn.Module], recipe: Recipe, shared: Shared) -> nn.Module:
    network = without_path(copied, recipe, shared)
    network.fpn = TorchvisionFPN(network.fpn)  # type: ignore[arg-type]  # of ours
    return network


def _with_pafpn(copied: Callable[[], nn.Module], _recipe: Recipe, _shared: Shared) -> nn.Module:
    network = copied()
    ours: PANet = network.panet  # type: ignore[assignment]  # of a whole network
    path = GeneralPANet(
        ours.channels, BEHAVIOURS["mmdetection"], len(ours.levels), ours.finest_level
    )
    path.load_state_dict(ours.state_dict(), assign=True)  # with their layout
    network.panet = path
    return network


TORCHVISION_FPN = Network(_with_torchvision, like="fpn", level="p")
MMDET_PAFPN = Network(_with_pafpn, like="panet", same_outputs=False)
