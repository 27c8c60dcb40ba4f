"""Arms in processes of their own that take turns: each runs when its predecessor is done.

All processes of a replicate draw the same orders, so each knows whose turn follows. The baton is a
`Token` in a FIFO per process, its inbox: whoever has it runs its arm, and passes it on when its
threads have come to rest. Nobody spins while another one runs. The token says as well whether
anybody's call in this round was disturbed, and how many undisturbed rounds are still wanted: so all
processes end behind the same round.
"""

import os
import select
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from bench.engine.turn_board import Board

REST_S, LOOK_S = 0.05, 5e-4
"""How long threads may take to come to rest, and how often they are looked at. Those of OpenMP spin
for some milliseconds when their work is done, and would take them from the next process."""


class Token(NamedTuple):
    """What a process hands to the next one."""

    left: int
    """Undisturbed rounds that are still wanted."""
    disturbed: bool = False
    """Whether a call of this round was."""
    over: bool = False
    """Whether there are enough."""


AS_BYTES = struct.Struct("<i??")
"""Of a token. Writes so short are never torn (pipe(7), PIPE_BUF)."""


class Baton:
    """One process's part in the turns.

    Args:
        own: the arms that run in this process.
        inboxes: arm -> FIFO of the process that runs it; none: there is no other one.
        board: file in which the processes see who is at work.
    """

    def __init__(self, own: Sequence[str], inboxes: Mapping[str, str], board: str) -> None:
        self._own = set(own)
        self._inboxes = inboxes
        self._board = Board(board, inboxes) if inboxes else None
        self._files: dict[str, int] = {}
        self._waited_s = self._used_s = 0.0

    @property
    def waiting_cpu(self) -> float:
        """The share of a core that this process used while it waited for its turns."""
        return self._used_s / self._waited_s if self._waited_s else 0.0

    def __enter__(self) -> Self:
        # Both ends: opening does not wait for the others, and a byte stays until it is read.
        for path in set(self._inboxes.values()):
            self._files[path] = os.open(path, os.O_RDWR)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            os.close(file)
        if self._board is not None:
            self._board.close()

    def wait_for_all(self, orders: Sequence[Sequence[str]]) -> None:
        """Return when every process is ready: nobody warms up beside a round.

        Raises:
            LateError: another process does not come.
        """
        first = orders[0][0]
        if first in self._own:
            for _ in self._other_inboxes:
                self._wait(self._inboxes[first])
        else:
            rest()
            self._tell(self._inboxes[first], Token(0))

    def own_turns(
        self,
        orders: Sequence[Sequence[str]],
        wanted: int,
        least: int,
        was_disturbed: Callable[[], bool],
    ) -> Iterator[str]:
        """Yield this process's arms, each when it may run; the next one is asked for when it has.

        Args:
            orders: of the rounds, at most so many.
            wanted: rounds in which no process was disturbed; behind the last of them is the end.
            least: rounds in any case.
            was_disturbed: whether this process's own calls of the round were; asked behind them.

        Raises:
            LateError: another process does not pass the baton.
        """
        token, holder = Token(wanted), orders[0][0]
        for count, order in enumerate(orders, start=1):
            for place, arm in enumerate(order):
                if arm in self._own:
                    if holder not in self._own:
                        token = self._wait(self._inboxes[arm])
                    if token.over:
                        return
                    yield arm
                    behind = order[place + 1 :]
                    if self._own.isdisjoint(behind) and was_disturbed():
                        token = token._replace(disturbed=True)
                    if not behind:
                        left = token.left - (not token.disturbed)
                        token = Token(left, over=left <= 0 and count >= least)
                    following = (*behind, *(orders[count][:1] if count < len(orders) else ()))
                    self._pass_on(token, following[:1])
                holder = arm
            if token.over:
                return

    @property
    def _other_inboxes(self) -> set[str]:
        return set(self._inboxes.values()) - {self._inboxes.get(arm, "") for arm in self._own}

    def _pass_on(self, token: Token, following: Sequence[str]) -> None:
        """Hand the token to whose turn follows; to all others where it says that it is over."""
        if token.over:
            for inbox in self._other_inboxes:
                self._tell(inbox, token)
        elif not self._own.issuperset(following):
            rest()
            self._tell(self._inboxes[following[0]], token)

    def _tell(self, inbox: str, token: Token) -> None:
        os.write(self._files[inbox], AS_BYTES.pack(*token))

    def _wait(self, inbox: str) -> Token:
        assert self._board is not None  # noqa: S101 - there are others
        start_s, used_s = time.monotonic(), time.process_time()
        self._board.wait(inbox)
        while not select.select([self._files[inbox]], [], [], self._board.patience_s())[0]:
            self._board.refuse_if_late()
        self._board.work(inbox)
        self._waited_s += time.monotonic() - start_s
        self._used_s += time.process_time() - used_s  # of all its threads
        return Token(*AS_BYTES.unpack(os.read(self._files[inbox], AS_BYTES.size)))


def rest(
    threads: Path = Path("/proc/self/task"),
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Return when no other thread of this process runs any more, or `REST_S` have passed."""
    end_s = clock() + REST_S
    while clock() < end_s and _any_other_runs(threads):
        pause(LOOK_S)


def _any_other_runs(threads: Path) -> bool:
    """Say whether a thread but the calling one has state R (proc(5)); elsewhere none is seen."""
    own = str(threading.get_native_id())
    for path in threads.glob("*/stat"):
        try:
            state = path.read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):  # it has just ended
            continue
        if state == "R" and path.parent.name != own:
            return True
    return False


def make_inbox(path: Path) -> str:
    """Make an empty FIFO in place of what may be left of an earlier replicate."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return str(path)
