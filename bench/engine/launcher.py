"""The pool of fork servers: timed workers from some, checks and profiles from another."""

import functools
import sys
from pathlib import Path
from typing import Protocol

from bench.engine.preloading import Modules
from bench.engine.server_client import Server
from bench.schema.tasks import Failure, ReplicateTask, Result, Task


class Launcher(Protocol):
    """What the engine needs of its processes; tests simulate it."""

    def run(self, task: Task[Result], timeout_s: float) -> Result | Failure:
        """Run the task in a fresh process and return its result, or why there is none."""

    def close(self) -> None:
        """End all processes."""


class ServerLauncher:
    """Fork servers for the timed workers, and one more for checks and traces.

    Timing servers are started as many at a time as there are cores, and waited for: none starts
    beside a round.

    Args:
        scratch_dir: where results and logs of workers go; private to the run.
        modules: that are imported before the fork.
        at_once: how many timing servers are started together, and of a check's compilers.
        allocator: whether malloc is to keep its pages.
        one_server: whether all timed workers are to come from one server.
        python: the interpreter of all servers.
    """

    def __init__(
        self,
        scratch_dir: Path,
        modules: Modules,
        at_once: int,
        *,
        allocator: bool = True,
        one_server: bool = False,
        python: str = sys.executable,
    ) -> None:
        self._modules = modules
        self._start = functools.partial(
            Server, scratch_dir=scratch_dir, allocator=allocator, python=python
        )
        self._at_once = 1 if one_server else at_once
        self._compilers = at_once
        self._timing: dict[int, Server] = {}
        self._helper: Server | None = None

    def run(self, task: Task[Result], timeout_s: float) -> Result | Failure:
        """Run the task in a fresh process and return its result, or why there is none.

        Raises:
            BenchError: a server does not start.
        """
        server = (
            self._timing_server(task.server) if isinstance(task, ReplicateTask) else self._helping()
        )
        return server.run(task, timeout_s)

    def close(self) -> None:
        """End all servers and workers."""
        self._close_timing()
        if self._helper is not None:
            self._helper.close()
            self._helper = None

    def _timing_server(self, server_id: int) -> Server:
        """Return the server of that number; ids only grow, so older servers are done."""
        if server_id not in self._timing or not self._timing[server_id].alive:
            self._close_timing()
            for fresh_id in range(server_id, server_id + self._at_once):
                self._timing[fresh_id] = self._start(self._modules.timing)
            for server in self._timing.values():
                server.wait_until_ready()
        return self._timing[server_id]

    def _close_timing(self) -> None:
        for server in self._timing.values():
            server.close()
        self._timing.clear()

    def _helping(self) -> Server:
        if self._helper is None or not self._helper.alive:
            modules = (*self._modules.timing, *self._modules.helping)
            self._helper = self._start(modules, compilers=self._compilers)
            self._helper.wait_until_ready()
        return self._helper
