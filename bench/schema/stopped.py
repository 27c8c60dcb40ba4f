"""What stops a command from outside: Ctrl-C, SIGTERM, and a terminal that is closed.

However it is stopped, one line says how to go on, and the exit code is the one that a shell gives.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

STOPS = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))
)

BY_SIGNAL = 128
"""A shell adds it to the number of the signal that ended a command."""

SHOW_CURSOR = "\033[?25h"


class Stopped(KeyboardInterrupt):
    """Somebody wants this to end."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(f"signal {number}")
        self.exit_code = BY_SIGNAL + number


def exit_code(stop: KeyboardInterrupt) -> int:
    """Return what a shell would say of a command that was stopped like this."""
    return stop.exit_code if isinstance(stop, Stopped) else Stopped().exit_code


class Listener:
    """Raises `Stopped` at the first signal, and leaves at once, with a line, at the second.

    A shell starts what is in the background with Ctrl-C ignored; it is heard here all the same.
    ``nohup`` is respected. Only the main thread of a process can listen.

    Args:
        advice: how to go on, as the end of a sentence.
        begun: whether there is something to clean up; otherwise the first signal is the last.
    """

    def __init__(self, advice: str, *, begun: bool = True) -> None:
        self.advice = advice
        self.begun = begun
        self._heard = False
        self._before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is not threading.main_thread():
            return
        for number in STOPS:
            before = signal.getsignal(number)
            if number != signal.SIGINT and before == signal.SIG_IGN:
                continue
            self._before[number] = before
            signal.signal(number, self._hear)

    def close(self) -> None:
        """Let the signals do what they did before."""
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if number == getattr(signal, "SIGHUP", None):
            _speak_to_nobody()
        if self.begun and not self._heard:
            self._heard = True
            raise Stopped(number)
        shown = SHOW_CURSOR if os.isatty(2) else ""
        with contextlib.suppress(OSError):
            os.write(2, f"{shown}\nstopped; {self.advice}\n".encode())
        if self._heard:
            os._exit(BY_SIGNAL + number)
        raise SystemExit(BY_SIGNAL + number)  # pytest shows what it has captured


@contextlib.contextmanager
def listening(advice: str) -> Iterator[Listener]:
    """Listen for a while."""
    listener = Listener(advice)
    try:
        yield listener
    finally:
        listener.close()


def _speak_to_nobody() -> None:
    """Let go of a terminal that is gone: writing to it would fail."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # it has no descriptor, as in a test
            if os.isatty(stream.fileno()):
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, stream.fileno())
                os.close(nothing)
