"""Marks: readings of the clock inside a call, at the boundaries of its stages.

There is one reading per boundary, shared by both neighbours, so the spans of a call add up to it.
In training a stage has a span in each direction, and both are its: a function on the gradient of
what a stage made is called when autograd has all of that gradient, which is when the backward pass
enters the stage. (Autograd runs what was made last first; so the loss is done before the first
stage begins, and a part before the parts in front of it.)
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bench.machine.clock import DeviceTimer, wall_s
from bench.schema.records import OTHER
from bench.workload.stages import PARTS, Stage, around, parts, stages

SEEN = "_panet_bench_marked"
"""Of a tensor: that a mark waits for its gradient."""

Log = list[tuple[int, Any]]
"""Of a call: whose time begins, and when. Places of names; negative where a part begins whose next
stage is not known yet."""


class Marks:
    """Splits the calls of a network; it stays attached.

    On a CPU every stage is marked. On an accelerator marks are events in its stream, which are not
    for nothing: there only the parts are marked.

    Args:
        network: eager.
        device: that it runs on.
        training: whether its calls go backward, too.
        around_modules: paths of modules, none inside another, that are the stages; everything else
            is `OTHER`. None given: the stages of `bench.workload.stages`.
    """

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        *,
        training: bool,
        around_modules: Sequence[str] = (),
    ) -> None:
        timer = DeviceTimer(device)
        self._read: Callable[[], Any] = timer.mark if timer.available else wall_s
        self._between_s: Callable[[Any, Any], float] = (
            timer.between_s if timer.available else lambda start_s, end_s: end_s - start_s
        )
        # What is left as well as entered: a module's path -> its stages' part.
        self._left = {path: path for path in around_modules} or _our_parts(network)
        whole = bool(around_modules) or timer.available
        found = whole_parts(self._left) if whole else self._stages(network)
        self._names = (OTHER, *(stage.name for stage in found))
        self._part_of = ("", *(stage.part for stage in found))
        self._log: Log = [(0, None)]
        self._calls: list[Log] = []
        self._training = training
        self._first = 0  # whose time begins with the call
        self._attach(network, found)

    def begin(self) -> None:
        """Mark the beginning of a call; what was marked since the last one, untimed, is dropped."""
        self._log.clear()
        self._log.append((self._first, self._read()))

    def end(self) -> None:
        """Mark the end of the call."""
        self._log.append((0, self._read()))

    def keep(self) -> None:
        """Keep the call that has ended; behind the clock."""
        self._calls.append(self._log.copy())

    def spans_s(self) -> dict[str, list[float]]:
        """Return the seconds of every stage in the calls that were kept; they are forgotten."""
        calls, self._calls = self._calls, []
        spans = [self._split(call) for call in calls]
        met = [place for place in range(len(self._names)) if any(span[place] for span in spans)]
        return {self._names[place]: [span[place] for span in spans] for place in met}

    def _split(self, call: Log) -> list[float]:
        sums = [0.0] * len(self._names)
        for (place, start), (following, end) in itertools.pairwise(call):
            sums[self._stage_at(place, following)] += self._between_s(start, end)
        return sums

    def _stage_at(self, place: int, following: int) -> int:
        """Return whose time begins with a mark: a part's own goes to the stage that comes next."""
        same_part = following > 0 and self._part_of[following] == self._part_of[-place]
        return place if place >= 0 else following if same_part else -place

    @staticmethod
    def _stages(network: nn.Module) -> list[Stage]:
        return stages(network)

    def _attach(self, network: nn.Module, found: Sequence[Stage]) -> None:
        for path, part in self._left.items():
            first = self._part_of.index(part)
            module = network.get_submodule(path)
            around(module, before=self._entering(-first), after=self._leaving())
        for place, stage in enumerate(found, start=1):
            if stage.layers[0] not in self._left:
                module = network.get_submodule(stage.layers[0])
                around(module, self._entering(place), self._made(place) if self._training else None)
        if not self._left:
            around(network, after=self._leaving())

    def _entering(self, place: int) -> Callable[[tuple[Any, ...]], None]:
        append, read, log = self._log.append, self._read, self._log

        def enter(_: object) -> None:
            append((place, read()))

        def enter_watching(inputs: tuple[Any, ...]) -> None:
            self._watch(inputs, abs(log[-1][0]))
            append((place, read()))

        return enter_watching if self._training else enter

    def _leaving(self) -> Callable[[Any], None]:
        append, read, log = self._log.append, self._read, self._log

        def leave(_: object) -> None:
            append((0, read()))

        def leave_watching(outputs: Any) -> None:  # noqa: ANN401 - whatever the module returned
            self._watch(outputs, abs(log[-1][0]))
            append((0, read()))

        return leave_watching if self._training else leave

    def _made(self, place: int) -> Callable[[Any], None]:
        return lambda outputs: self._watch(outputs, place)

    def _watch(self, tensors: Any, place: int) -> None:  # noqa: ANN401
        """Mark when the backward pass comes to what made these, unless that is known already."""
        append, read = self._log.append, self._read
        for x in tree_leaves(tensors):
            if isinstance(x, Tensor) and x.requires_grad and not hasattr(x, SEEN):
                setattr(x, SEEN, True)
                x.register_hook(lambda _: append((place, read())))  # type: ignore[no-untyped-call]  # torch's


def _our_parts(network: nn.Module) -> dict[str, str]:
    return {part: PARTS[part] for part in parts(network)}


def whole_parts(called: Mapping[str, str]) -> list[Stage]:
    """Return modules each as one stage: their paths -> what they are called."""
    return [Stage(part, "", "", (path,)) for path, part in called.items()]
