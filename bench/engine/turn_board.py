"""Who is at work and who waits, of the processes of a replicate, for all of them to see.

A process that waits for its turn cannot tell whom it waits for. So each has a cell in a file that
all of them have mapped: the second in which it began to work or, negative, to wait. It is written
by that process alone, and no call of the system is needed for it. All processes of a machine share
the monotonic clock.
"""

import mmap
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from bench.schema.errors import BenchError

WAIT_S = 120.0
"""For one step of any process: its start, its warm-up or a slow call; then it hangs."""

CELL = struct.Struct("d")
"""Native and aligned: it is written in one go, and nobody reads half of it."""


class LateError(BenchError):
    """A process does not end its turn."""


class Board:
    """The cells, as one process has them mapped.

    Args:
        path: of the file, as of `make_board`.
        inboxes: arm -> FIFO of its process.
    """

    def __init__(self, path: str, inboxes: Mapping[str, str]) -> None:
        with Path(path).open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._arms: dict[str, list[str]] = {}
        for arm, inbox in inboxes.items():
            self._arms.setdefault(inbox, []).append(arm)
        self._places = {inbox: CELL.size * i for i, inbox in enumerate(self._arms)}

    def work(self, inbox: str) -> None:
        """Say that the process of an inbox is at work from now on."""
        CELL.pack_into(self._memory, self._places[inbox], time.monotonic())

    def wait(self, inbox: str) -> None:
        """Say that the process of an inbox waits from now on."""
        CELL.pack_into(self._memory, self._places[inbox], -time.monotonic())

    def at_work(self, least_s: float) -> tuple[str, ...]:
        """Return the arms whose processes have been at work for so long without a pause."""
        since_s = time.monotonic() - least_s
        return tuple(
            arm
            for inbox, arms in self._arms.items()
            if 0 <= self._cell(inbox) <= since_s
            for arm in arms
        )

    def patience_s(self) -> float:
        """Return how long it is worth waiting until somebody has done something."""
        last_s = max(abs(self._cell(inbox)) for inbox in self._arms)
        return max(0.0, last_s + WAIT_S - time.monotonic())

    def refuse_if_late(self) -> None:
        """Raise `LateError` where nobody has done anything for too long."""
        if not self.patience_s():
            raise LateError(f"it did not end its start, or its turn, within {WAIT_S:.0f} s")

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()

    def _cell(self, inbox: str) -> float:
        (second,) = CELL.unpack_from(self._memory, self._places[inbox])
        return float(second)


def make_board(path: Path, inboxes: Mapping[str, str]) -> str:
    """Write a board on which every process is about to start; return its path."""
    path.write_bytes(CELL.pack(time.monotonic()) * len(set(inboxes.values())))
    return str(path)
