"""What both branches begin with: layers of a level's own, and one fusion of what they give.

Source: Liu et al., "Path Aggregation Network for Instance Segmentation", section 3.3: one parameter
layer adapts the grid of each level, then comes an element-wise maximum or sum. Table 4 asks where
to fuse, and by what.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import TypeVar

import torch
from torch import Tensor, nn

from panet.errors import InputError, did_you_mean
from panet.general import GROUPS

LEVEL_FUSIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "max": torch.maximum,
    "sum": torch.add,
}
"""Name -> what makes one grid of two."""

ONE_LEVEL = "any"
"""In the place of a level's name where every proposal has one grid, whatever its level."""

Weighted = TypeVar("Weighted", nn.Conv2d, nn.ConvTranspose2d)

Layers = Mapping[str, Callable[[], nn.Module]]
"""Name -> what makes a layer, in the order of a head."""


class PerLevel(nn.Module):
    """Layers of each level's own, and the element-wise fusion of all levels.

    Args:
        layers: of one level; none: what is fused are the pooled grids.
        levels: fine to coarse, for the names ``n2``, ``n3``, ...; `None`: one grid per proposal,
            so that there is nothing to fuse.
        fuse: a name of `LEVEL_FUSIONS`.

    Raises:
        InputError: an unknown fusion, or no level.
    """

    def __init__(self, layers: Layers, levels: Sequence[int] | None, fuse: str = "max") -> None:
        super().__init__()
        if fuse not in LEVEL_FUSIONS:
            hint = did_you_mean(fuse, LEVEL_FUSIONS, f"choose one of {', '.join(LEVEL_FUSIONS)}")
            raise InputError(f"unknown fusion of levels {fuse!r}; {hint}")
        self.names = [ONE_LEVEL] if levels is None else [f"n{k}" for k in levels]
        if not self.names:
            raise InputError("levels=(): give one level or more, or None for FPN's rule")
        self.fuse = fuse
        for name in self.names:
            self.add_module(name, in_a_row(layers))

    def forward(self, grids: Sequence[Tensor]) -> Tensor:
        """Take a grid per level, fine to coarse, each ``(K, C, side, side)``; return one tensor.

        Raises:
            InputError: a wrong number of levels.
        """
        if len(grids) != len(self.names):
            raise InputError(f"expected grids of {len(self.names)} levels, got {len(grids)}")
        adapted: list[Tensor] = [
            self.get_submodule(k)(x) for k, x in zip(self.names, grids, strict=True)
        ]
        return reduce(LEVEL_FUSIONS[self.fuse], adapted)


def split_at(layers: Layers, fuse_after: int) -> tuple[Layers, Layers]:
    """Return the layers in front of the fusion, which every level has, and those behind it.

    Args:
        layers: of a head.
        fuse_after: so many layers are in front. Of table 4, 0 is ``fu.fc1fc2`` and 1, the paper's
            choice, ``fc1fu.fc2``.

    Raises:
        InputError: there are not so many.
    """
    if fuse_after not in range(len(layers) + 1):
        raise InputError(f"fuse_after={fuse_after}: give 0 to {len(layers)}, as many as there are")
    rows = list(layers.items())
    return dict(rows[:fuse_after]), dict(rows[fuse_after:])


def in_a_row(layers: Layers) -> nn.Sequential:
    """Return the layers, made, one behind the other, by their names."""
    return nn.Sequential(OrderedDict((name, make()) for name, make in layers.items()))


def fully_connected(inputs: int, outputs: int, *, norm: bool) -> nn.Sequential:
    """Return a linear layer, GroupNorm if asked for, and ReLU: ``(K, ...) -> (K, outputs)``."""
    linear = undrawn(inputs, outputs)
    nn.init.kaiming_uniform_(linear.weight, a=1)  # Caffe2's XavierFill (official code)
    nn.init.zeros_(linear.bias)
    return _activated({"flatten": nn.Flatten(), "linear": linear}, outputs, norm=norm)


def undrawn(inputs: int, outputs: int) -> nn.Linear:
    """Return a linear layer of tens of millions of weights, which torch need not draw before us."""
    skip_init: Callable[..., nn.Linear] = nn.utils.skip_init
    return skip_init(nn.Linear, inputs, outputs, device=torch.get_default_device())


def convolution(inputs: int, outputs: int, *, norm: bool) -> nn.Sequential:
    """Return a 3x3 convolution, GroupNorm if asked for, and ReLU; the size stays.

    With a norm the convolution has no bias, as in the official code.
    """
    conv = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=not norm)
    return _activated({"conv": initialised(conv)}, outputs, norm=norm)


def initialised(layer: Weighted) -> Weighted:
    """Return a layer with weights as the official code draws them: Caffe2's MSRAFill."""
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _activated(layers: dict[str, nn.Module], outputs: int, *, norm: bool) -> nn.Sequential:
    normed = {"norm": nn.GroupNorm(GROUPS, outputs)} if norm else {}
    # It overwrites only what the layer in front of it has made.
    return nn.Sequential(OrderedDict({**layers, **normed, "relu": nn.ReLU(inplace=True)}))


def check_widths(head: str, norm: bool, **widths: int) -> None:
    """Raise `InputError` unless all are 1 or more, and such as GroupNorm can group if it must."""
    wrong = {name: width for name, width in widths.items() if width < 1}
    if wrong:
        raise InputError(f"{head} of {_listed(wrong)}: give 1 or more")
    odd = {name: width for name, width in widths.items() if norm and width % GROUPS}
    if odd:
        raise InputError(
            f"{head} of {_listed(odd)}: norm=True is GroupNorm of {GROUPS} groups; give multiples"
        )


def _listed(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
