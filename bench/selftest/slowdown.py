"""Slow-downs of known size for the self-test: real work beside the network, never sleep.

`slowed` runs the network and then copies, say, 96 channels of its finest map. The size is a number
of channels, so it can be chosen finely; what it takes is calibrated in processes of their own
(`bench.selftest.calibration`): `KEPT` is the network, `alone` the work right behind it.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from bench.schema.recipe import Recipe
from bench.workload.networks import Network, Outputs, Shared
from panet import InputError


class Slowdown(nn.Module):
    """Extra work on a map of shape (N, C, H, W); the map itself stays as it is.

    Args:
        text: ``kind:channels``; more channels than the map has go over it again.

    Raises:
        InputError: an unknown kind.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        kind, _, channels = text.partition(":")
        if kind not in KINDS:
            raise InputError(f"unknown slow-down {kind!r}; choose from {', '.join(KINDS)}")
        self._work = KINDS[kind]
        self._channels = int(channels)

    def forward(self, x: Tensor) -> None:
        """Do the work; what comes of it is dropped."""
        left = self._channels
        while left > 0:
            self._work(x, min(left, x.shape[1]))
            left -= x.shape[1]


def _compute(x: Tensor, channels: int) -> Tensor:
    """Another 1x1 convolution."""
    return conv2d(x, x.new_full((channels, x.shape[1], 1, 1), 1e-3))


def _copy(x: Tensor, channels: int) -> Tensor:
    """Another copy of a feature map."""
    return x[:, :channels].clone()


def _layout(x: Tensor, channels: int) -> Tensor:
    """The layout lost, and restored."""
    other, own = torch.contiguous_format, torch.channels_last
    if x.is_contiguous():
        other, own = own, other
    return x[:, :channels].contiguous(memory_format=other).contiguous(memory_format=own)


KINDS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "compute": _compute,
    "copy": _copy,
    "layout": _layout,
}


class Slowed(nn.Module):
    """A network, and extra work on its finest output."""

    def __init__(self, network: nn.Module, slowdown: Slowdown) -> None:
        super().__init__()
        self.network = network
        self.slowdown = slowdown

    def forward(self, *inputs: Tensor) -> Outputs:
        """Return what the network returns."""
        outputs: Outputs = self.network(*inputs)
        self.slowdown(outputs[0])
        return outputs


class Kept(nn.Module):
    """A network that leaves its finest map for the work of another arm."""

    def __init__(self, network: nn.Module, shared: Shared) -> None:
        super().__init__()
        self.network = network
        self._shared = shared

    def forward(self, *inputs: Tensor) -> Outputs:
        """Return what the network returns."""
        outputs: Outputs = self.network(*inputs)
        self._shared[FINEST] = outputs[0]
        return outputs


class Alone(nn.Module):
    """The extra work without the network, on the map that a network has just given.

    As in the slowed network, the map is as far in the caches as the network has left it.
    """

    def __init__(self, slowdown: Slowdown, shared: Shared) -> None:
        super().__init__()
        self.slowdown = slowdown
        self._shared = shared

    def forward(self, *_inputs: Tensor) -> Outputs:
        """Return the map."""
        finest: Tensor = self._shared.get(FINEST, torch.empty(0))
        self.slowdown(finest)
        return (finest,)


FINEST = "finest"
"""The finest map that a network gave last, among what the arms of a process share."""

SLOWED_NETWORK = Network(
    lambda copied, recipe, _: Slowed(copied(), Slowdown(recipe.slowdown)),
    like="panet",
    same_macs=False,
)
KEPT_NETWORK = Network(lambda copied, _, shared: Kept(copied(), shared))
WORK_ALONE = Network(lambda _, recipe, shared: Alone(Slowdown(recipe.slowdown), shared))

KEPT = Recipe(f"{__name__}:KEPT_NETWORK")


def slowed(work: str) -> Recipe:
    """Return FPN + PANet with some work (``kind:channels``) behind it."""
    return Recipe(f"{__name__}:SLOWED_NETWORK", slowdown=work)


def alone(work: str) -> Recipe:
    """Return the work (``kind:channels``) without the network."""
    return Recipe(f"{__name__}:WORK_ALONE", slowdown=work)
