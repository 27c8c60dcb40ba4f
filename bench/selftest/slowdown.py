"""Slow-downs of known size for the self-test: real work inside the network, never sleep.

`slowed` is the network that, whenever a stage has made its map, copies, say, 96 channels of it: in
one stage, or in every one. The size is a number of channels, so it can be chosen finely; what it
takes is calibrated in processes of their own (`bench.selftest.calibration`): `kept` is the network,
`alone` the work right behind it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from bench.schema.recipe import Recipe
from bench.workload.networks import Network, Outputs, Shared
from bench.workload.stages import around, stages
from panet import InputError

EVERYWHERE = "every stage"


@dataclass(frozen=True)
class Work:
    """Extra work on maps of shape (N, C, H, W); the maps stay as they are."""

    kind: str
    """Of `KINDS`."""
    channels: int
    """More than a map has: over it again."""
    place: str
    """The stage whose map it is done on, or `EVERYWHERE`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``kind:channels in place``; raise `InputError` for an unknown kind."""
        what, _, place = text.partition(" in ")
        kind, _, channels = what.partition(":")
        if kind not in KINDS:
            raise InputError(f"unknown slow-down {kind!r}; choose from {', '.join(KINDS)}")
        return cls(kind, int(channels), place)

    def __str__(self) -> str:
        return f"{self.kind}:{self.channels} in {self.place}"

    def __call__(self, x: Tensor) -> None:
        """Do the work; what comes of it is dropped."""
        left = self.channels
        while left > 0:
            KINDS[self.kind](x, min(left, x.shape[1]))
            left -= x.shape[1]

    def layers(self, network: nn.Module) -> list[nn.Module]:
        """Return the modules of a network that make its maps.

        Raises:
            InputError: the network has no such stage.
        """
        known = stages(network)
        found = [stage for stage in known if self.place in (EVERYWHERE, stage.name)]
        if not found:
            names = ", ".join(stage.name for stage in known)
            raise InputError(f"no stage {self.place!r}; choose from {EVERYWHERE}, {names}")
        return [network.get_submodule(stage.layers[0]) for stage in found]


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


def slow_down(network: nn.Module, work: Work) -> nn.Module:
    """Return the network, which now does the work as well; its stages stay what they are."""
    for layer in work.layers(network):
        around(layer, after=work)
    return network


def keep_maps(network: nn.Module, layers: Iterable[nn.Module], shared: Shared) -> nn.Module:
    """Return the network, which now leaves the maps of some layers for the work of another arm."""
    maps = shared.setdefault(MAPS, {})

    def keeping(place: int) -> Callable[[Tensor], None]:
        return lambda x: maps.update({place: x})

    for place, layer in enumerate(layers):
        around(layer, after=keeping(place))
    return network


class Alone(nn.Module):
    """The extra work without the network, on the maps that a network has just made.

    As in the slowed network, a map is about as far in the caches as the network has left it.
    """

    def __init__(self, work: Work, shared: Shared) -> None:
        super().__init__()
        self._work = work
        self._shared = shared

    def forward(self, *_inputs: Tensor) -> Outputs:
        """Return the maps."""
        maps: Outputs = tuple(self._shared[MAPS].values())
        for x in maps:
            self._work(x)
        return maps


MAPS = "maps"
"""Those that a network made last, among what the arms of a process share."""


def _kept(copied: Callable[[], nn.Module], recipe: Recipe, shared: Shared) -> nn.Module:
    network = copied()
    return keep_maps(network, Work.parse(recipe.slowdown).layers(network), shared)


SLOWED_NETWORK = Network(
    lambda copied, recipe, _: slow_down(copied(), Work.parse(recipe.slowdown)),
    like="panet",
    same_macs=False,
    marked=True,
)
KEPT_NETWORK = Network(_kept)
WORK_ALONE = Network(lambda _, recipe, shared: Alone(Work.parse(recipe.slowdown), shared))


def kept(work: Work) -> Recipe:
    """Return FPN + PANet, which leaves the maps that some work is done on."""
    return Recipe(f"{__name__}:KEPT_NETWORK", slowdown=str(work))


def slowed(work: Work) -> Recipe:
    """Return FPN + PANet with some work in it."""
    return Recipe(f"{__name__}:SLOWED_NETWORK", slowdown=str(work))


def alone(work: Work) -> Recipe:
    """Return the work without the network."""
    return Recipe(f"{__name__}:WORK_ALONE", slowdown=str(work))
