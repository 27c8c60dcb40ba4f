"""What is counted in a part of a user's network: calls, multiply-accumulates, memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.machine.peak_memory import peak_bytes
from bench.schema.errors import BenchError
from bench.schema.stored import Stored
from bench.workload.users import tensors_in

LEFT = ""
"""In the list of what was met: that a part has ended."""


@dataclass(frozen=True)
class PartFacts(Stored):
    """What is true of a part whatever the clock says."""

    kind: str
    """Its class."""
    params: int
    macs: int
    """Multiply-accumulates of all its calls in one forward pass."""
    peak_bytes: int | None
    """Peak tensor memory that one call adds in the forward pass; `None` where it is not told."""
    fewest_calls: int
    """Of a call of the network, among `LOOKS`."""
    most_calls: int
    does_nothing: bool
    """Whether it returns what it gets."""
    stage: str = ""
    """Of `bench.workload.stages`, where it is the whole of one of ours."""


class Tally:
    """Counts what happens in one part while the network is called; it stays attached.

    Args:
        path: of the module.
        module: counted in.
        met: common to all parts of a network: gets the path of each that begins, and `LEFT` when
            it ends.
    """

    def __init__(self, path: str, module: nn.Module, met: list[str]) -> None:
        self.path = path
        self.most_calls = 0
        self.macs = 0
        self._module = module
        self._met = met
        self._peaks: list[int | None] = []
        self._fewest_calls: int | None = None
        self._calls = 0
        self._idle = True
        self._around: Callable[[Callable[[], Any]], Any] = lambda call: call()
        inner = module.forward

        def forward(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the module takes
            return self._call(lambda: inner(*args, **kwargs), (args, kwargs))

        module.__dict__["forward"] = forward

    def counted_by(self, flops: FlopCounterMode) -> None:
        """Count in the next call of the network."""
        self._calls = self.macs = 0

        def counting(call: Callable[[], Any]) -> Any:  # noqa: ANN401
            before = flops.get_total_flops()
            outputs = call()
            self.macs += (flops.get_total_flops() - before) // 2
            return outputs

        self._around = counting

    def end(self) -> None:
        """Hear that the call of the network has ended."""
        self.most_calls = max(self.most_calls, self._calls)
        fewest = self._fewest_calls
        self._fewest_calls = self._calls if fewest is None else min(fewest, self._calls)

    def weighed_on(self, device: torch.device) -> None:
        """See what memory the calls take from now on."""

        def weighing(call: Callable[[], Any]) -> Any:  # noqa: ANN401
            outputs: list[Any] = []
            self._peaks.append(peak_bytes(lambda: outputs.append(call()), device))
            return outputs[0] if outputs else call()

        self._around = weighing

    def facts(self) -> PartFacts:
        """Return what was counted."""
        known = [peak for peak in self._peaks if peak is not None]
        return PartFacts(
            kind=type(self._module).__name__,
            params=sum(parameter.numel() for parameter in self._module.parameters()),
            macs=self.macs,
            peak_bytes=max(known) if known else None,
            fewest_calls=self._fewest_calls or 0,
            most_calls=self.most_calls,
            does_nothing=self._idle,
        )

    def _call(self, call: Callable[[], Any], given: object) -> Any:  # noqa: ANN401
        if self._met and self._met[-1] != LEFT:
            outer = self._met[-1]
            words = "calls itself" if outer == self.path else f"is called inside {outer}"
            raise BenchError(f"{self.path} {words}: its time would be counted twice; ask for less")
        self._met.append(self.path)
        self._calls += 1
        before = [x.detach().clone() for x in tensors_in(given)] if self._idle else []
        outputs = self._around(call)
        self._met.append(LEFT)
        self._idle = self._idle and _same(before, tensors_in(outputs))
        return outputs


def _same(before: Sequence[Tensor], after: Sequence[Tensor]) -> bool:
    """Return whether what a part returns is what it got."""
    pairs = list(zip(before, after, strict=False))
    alike = all(x.shape == y.shape and x.dtype == y.dtype for x, y in pairs)
    return len(before) == len(after) and alike and all(torch.equal(x, y) for x, y in pairs)
