"""Marks inside a compiled graph: an operator that the compiler cannot look into.

It says that it changes the maps between two parts, so whatever makes them comes before it and
whatever reads them behind it; what the compiler makes of either side stays the same kernels (a test
compares them). Inference on a CPU in channels-last only: the operator has no derivative, a graph
that an accelerator replays does not come by Python, and inductor lays contiguous maps out anew in
front of an operator that it does not know.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench.machine.clock import wall_s
from bench.workload.marks import Log, Marks, whole_parts
from bench.workload.stages import PARTS, Stage, parts


class GraphMarks(Marks):
    """Splits the calls of a network that is to be compiled, at its parts; it stays attached.

    Args:
        network: not compiled yet.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network, torch.device("cpu"), training=False)

    def begin(self) -> None:
        """Mark the beginning of a call: the operator's readings are this network's from now on."""
        super().begin()
        _now.clear()
        _now.append(self._log)

    @staticmethod
    def _stages(network: nn.Module) -> list[Stage]:
        return whole_parts({part: PARTS[part] for part in parts(network)})

    def _attach(self, network: nn.Module, found: Sequence[Stage]) -> None:
        for place, stage in enumerate(found[1:], start=2):  # the first begins with the call
            (part,) = stage.layers
            setattr(network, part, _Marked(network.get_submodule(part), place))
        self._first = 1


_now: list[Log] = []
"""The log of the call that is under way."""


def _mark(_maps: list[Tensor], place: int) -> None:
    if _now:
        _now[0].append((place, wall_s()))


_LIBRARY: Any = torch.library.Library("panet_bench", "DEF")  # type: ignore[no-untyped-call]  # torch's
_LIBRARY.define("mark(Tensor(a!)[] maps, int place) -> ()")
_LIBRARY.impl("mark", _mark, "CompositeExplicitAutograd")
_LIBRARY.impl("mark", lambda _maps, _place: None, "Meta")


class _Marked(nn.Module):
    """A part of a network, and a mark in front of it."""

    def __init__(self, part: nn.Module, place: int) -> None:
        super().__init__()
        self.part = part
        self._place = place

    def forward(self, *maps: Tensor) -> tuple[Tensor, ...]:
        """Return what the part makes of its maps."""
        torch.ops.panet_bench.mark(list(maps), self._place)
        outputs: tuple[Tensor, ...] = self.part(*maps)
        return outputs
