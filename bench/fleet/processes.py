"""The executors `local` and `ssh`: a process that is asked by its input and answers by its output.

When the driver dies, or cannot be heard, the measurement ends; its journal stays on the node.
"""

import contextlib
import json
import os
import queue
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.fleet.node import BEAT_S, Message, with_this_code
from bench.schema.errors import BenchError

SSH = (
    *("ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15"),
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"),
)
"""Asks for no password, and notices within a minute that a host is gone."""

THERE = 'if [ -x .venv/bin/python ]; then p=.venv/bin/python; else p=python3; fi; exec "$p" -m {}'

HOME = re.compile(r"~[A-Za-z0-9._-]*")


class Answers:
    """The answers of a process, read by a thread.

    Args:
        process: with pipes; its request was written already.
        clock: seconds.
    """

    def __init__(
        self, process: subprocess.Popen[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._process = process
        self._clock = clock
        self._said_s = clock()
        self._came: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._noise: list[str] = []
        readers = [self._read_answers, self._read_noise]
        self._threads = [threading.Thread(target=reader, daemon=True) for reader in readers]
        for thread in self._threads:
            thread.start()

    def messages(self) -> list[Message]:
        """Return what came since the last call, and let it know that somebody is there."""
        stdin = self._process.stdin
        if stdin is not None and not stdin.closed and self._clock() - self._said_s >= BEAT_S:
            self._said_s = self._clock()
            with contextlib.suppress(OSError):  # `over` says why
                stdin.write("\n")
                stdin.flush()
        return [self._came.get() for _ in range(self._came.qsize())]

    def over(self) -> str | None:
        """Return how the process ended, once all of its answers were read."""
        code = self._process.poll()
        if code is None or self._threads[0].is_alive() or self._came.qsize():
            return None
        self._threads[1].join(1.0)
        return f"exit {code}: {self._noise[-1]}" if self._noise else f"exit {code}"

    def stop(self) -> None:
        """End its input."""
        assert self._process.stdin is not None  # noqa: S101 - it has pipes
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _read_answers(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it has pipes
        with self._process.stdout as lines:
            for line in lines:
                try:
                    self._came.put(dict(json.loads(line)))
                except (ValueError, TypeError):  # of a login script
                    self._noise.append(line.strip()[:500])

    def _read_noise(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it has pipes
        with self._process.stderr as lines:
            for line in lines:
                self._noise = [*self._noise[-9:], line.strip()[:500]]


class Processes:
    """A command for each node.

    Args:
        commands: name of the node -> what answers there.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]]) -> None:
        self._commands = commands

    patience_s = 300.0
    """An environment on a slow disk takes a minute to import."""

    def nodes(self) -> tuple[str, ...]:
        """Return the names of all of them; whether they can be reached is seen then."""
        return tuple(self._commands)

    def start(self, node: str, request: Message) -> Answers:
        """Start a process, and ask."""
        try:
            process = subprocess.Popen(  # noqa: S603 - hosts are the user's
                self._commands[node],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=with_this_code(os.environ),
                start_new_session=True,  # Ctrl-C is for us, who then stop it in order
            )
        except OSError as error:
            raise BenchError(f"{self._commands[node][0]}: {error.strerror}") from error
        answers = Answers(process)
        assert process.stdin is not None  # noqa: S101 - it has pipes
        with contextlib.suppress(OSError):  # it is gone already, and `over` says why
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        return answers

    def close(self) -> None:
        """Nothing is held."""


def local(hosts: Sequence[str], _folder: Path) -> Processes:
    """Return nodes on this machine; several disturb each other, which a rehearsal may."""
    return Processes(dict.fromkeys(hosts or ["local"], (sys.executable, "-m", "bench.fleet")))


def ssh(hosts: Sequence[str], _folder: Path) -> Processes:
    """Return a node per host, each with a checkout where this one is, or in the folder it names."""
    return Processes({host: (*SSH, *_there(host)) for host in hosts})


def _there(host: str) -> tuple[str, ...]:
    name, _, folder = host.partition(":")
    home, slash, below = folder.partition("/")
    if HOME.fullmatch(home):  # the shell there knows where that is
        there = home + slash + (shlex.quote(below) if below else "")
    else:
        there = shlex.quote(folder or str(Path.cwd()))
    return name, f"cd {there} && {{ {THERE.format('bench.fleet')}; }}"
