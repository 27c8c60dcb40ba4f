"""Caches, cold and warm: what a network finds there when it is called is part of what it takes.

In the rounds of a run an arm finds what the arm before it left behind: on a processor little of its
own, on a GPU with a large second level perhaps all its weights. In a service it may be either. So
the same networks take turns with caches that were emptied, and with those of their own last call.
"""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

COLD, WARM = "cold", "warm"

SWEPT_BYTES = 256 * 2**20
"""Read and written anew: more than any second level of a GPU holds, and most third levels. (As much
as Triton's `do_bench` sweeps.)"""


class Sweeper:
    """Empties the caches of a device.

    Args:
        device: whose.
        nbytes: how much is read and written.
    """

    def __init__(self, device: torch.device, nbytes: int = SWEPT_BYTES) -> None:
        self._device, self._bytes = device, nbytes

    def __call__(self) -> None:
        """Go over the memory once; a plain fill could pass the caches by."""
        self._memory.add_(1)

    @cached_property
    def _memory(self) -> Tensor:
        return torch.zeros(self._bytes // 4, dtype=torch.int32, device=self._device)


def prepared(
    caches: str, prepare: Callable[[], None], call: Callable[[], object], sweep: Sweeper
) -> Callable[[], None]:
    """Return what is to run before the clock starts.

    Args:
        caches: `COLD`, `WARM`, or empty: as they are.
        prepare: what the arm needs anyway.
        call: the arm's.
        sweep: empties the caches.
    """

    def cold() -> None:
        prepare()
        sweep()

    def warm() -> None:
        prepare()
        call()
        prepare()

    return {COLD: cold, WARM: warm}.get(caches, prepare)
