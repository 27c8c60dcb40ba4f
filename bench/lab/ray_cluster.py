"""A cluster of Ray whose nodes are all on this machine, by ``ray start``."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.lab.faults.networks import left_behind
from bench.schema.errors import BenchError

MOST_S = 120.0

MEASURES = '--resources={"bench": 1}'
"""Of a node that does."""


@dataclass(frozen=True)
class Cluster:
    """A cluster, which has no node before `head`.

    Args:
        environment: of everything that belongs to it; ``FAULTS`` is what that is known by.
        port: of its head.
        folder: its own, whose name is short: sockets are in it.
    """

    environment: Mapping[str, str]
    port: int
    folder: Path

    @property
    def address(self) -> str:
        """Where its head is."""
        return f"127.0.0.1:{self.port}"

    def head(self, *words: str) -> None:
        """Start the head; raise `BenchError` where that fails."""
        where = ("--node-ip-address=127.0.0.1", f"--port={self.port}", f"--temp-dir={self.folder}")
        self._start("--head", "--include-dashboard=false", *where, *words)

    def add(self, *words: str) -> None:
        """Start a further node; raise `BenchError` where that fails."""
        self._start(f"--address={self.address}", *words)

    def _start(self, *words: str) -> None:
        command = [str(Path(sys.executable).with_name("ray")), "start", *words]
        more = ("--object-store-memory=100000000", "--disable-usage-stats")
        done = subprocess.run(  # noqa: S603 - of this environment
            [*command, *more],
            env=os.environ | dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=MOST_S,
        )
        if done.returncode:
            raise BenchError(f"ray start: {(done.stdout + done.stderr)[-300:]}")


@contextlib.contextmanager
def cluster(environment: Mapping[str, str]) -> Iterator[Cluster]:
    """Provide a cluster, of which nothing is left afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Cluster(environment, port, Path(tempfile.mkdtemp(prefix="ray-")))
    try:
        yield made
    finally:
        left_behind(Path(environment["FAULTS"]))
        shutil.rmtree(made.folder, ignore_errors=True)
