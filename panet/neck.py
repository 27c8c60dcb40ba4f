"""FPN + PANet as they behave in one place of origin, built by its name.

>>> import torch
>>> from panet import build_neck
>>> neck = build_neck((256, 512, 1024, 2048), "mmdetection", extra_levels=1)
>>> c = [torch.randn(1, 256 * 2**i, 56 // 2**i, 56 // 2**i) for i in range(4)]
>>> [tuple(n.shape[-2:]) for n in neck(*c)]
[(56, 56), (28, 28), (14, 14), (7, 7), (4, 4)]
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from panet.behaviours import BEHAVIOURS, Behaviour, Initialisation
from panet.errors import InputError, did_you_mean
from panet.general import GROUPS, GeneralFPN, GeneralPANet
from panet.pyramid import check_channels


class GeneralNeck(nn.Module):
    """FPN and bottom-up path, and levels beyond the coarsest; see `build_neck`."""

    def __init__(
        self,
        in_channels: Sequence[int],
        behaviour: Behaviour,
        out_channels: int,
        finest_level: int,
        extra_levels: int,
    ) -> None:
        super().__init__()
        self.fpn = GeneralFPN(in_channels, behaviour, out_channels, finest_level)
        self.panet = GeneralPANet(out_channels, behaviour, len(in_channels), finest_level)
        self.in_channels = self.fpn.in_channels
        self.out_channels = out_channels
        self.levels = self.fpn.levels
        self.extra_levels = extra_levels
        initialise(self, behaviour.initialisation)

    def forward(self, *c: Tensor) -> tuple[Tensor, ...]:
        """Take c2..c5; return n2..n5, fine to coarse, and then the extra levels, n6 first.

        Raises:
            InputError: see `GeneralFPN`.
        """
        n: list[Tensor] = list(self.panet(*self.fpn(*c)))
        for _ in range(self.extra_levels):
            n.append(functional.max_pool2d(n[-1], kernel_size=1, stride=2))
        return tuple(n)

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the layers behind p2..p5 and n2..n5."""
        return {
            level: tuple(f"{part}.{layer}" for layer in layers)
            for part, module in (("fpn", self.fpn), ("panet", self.panet))
            for level, layers in module.stages().items()
        }


def build_neck(
    in_channels: Sequence[int] = (256, 512, 1024, 2048),
    behaviour: str = "article",
    out_channels: int = 256,
    finest_level: int = 2,
    *,
    extra_levels: int = 0,
) -> GeneralNeck:
    """Return FPN + PANet as they behave in one place of origin.

    Args:
        in_channels: channels of the backbone's maps, fine to coarse, one per level.
        behaviour: a name of `panet.behaviours.BEHAVIOURS`.
        out_channels: channels of every output.
        finest_level: the ``k`` of the first map, whose stride is ``2**k``; names the layers.
        extra_levels: how many maps come after n5, each of every second pixel of the one before.

    Raises:
        InputError: an unknown behaviour, fewer than two levels, channels below 1 or none that
            GroupNorm can group, or extra levels where the behaviour has none.
    """
    if behaviour not in BEHAVIOURS:
        hint = did_you_mean(behaviour, BEHAVIOURS, f"choose one of {', '.join(BEHAVIOURS)}")
        raise InputError(f"unknown behaviour {behaviour!r}; {hint}")
    facts = BEHAVIOURS[behaviour]
    check_channels("neck", in_channels, out_channels)
    if facts.group_norm and out_channels % GROUPS:
        raise InputError(
            f"out_channels={out_channels}: {behaviour} has GroupNorm of {GROUPS} groups; "
            f"give a multiple of {GROUPS}"
        )
    if extra_levels < 0 or (extra_levels and not facts.pooled_level):
        most = "0 or more" if facts.pooled_level else f"0: {behaviour} has none"
        raise InputError(f"extra_levels={extra_levels}: give {most}")
    return GeneralNeck(in_channels, facts, out_channels, finest_level, extra_levels)


def initialise(network: nn.Module, how: Initialisation) -> None:
    """Draw the weights of all convolutions of the network anew; torch's default stays as it is."""
    if how is Initialisation.TORCH:
        return
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            if how is Initialisation.XAVIER:
                nn.init.xavier_uniform_(layer.weight)
            else:
                nn.init.kaiming_uniform_(layer.weight, a=1)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
