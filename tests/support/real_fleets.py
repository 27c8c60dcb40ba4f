"""Fleets of real processes on nodes that only behave as if they measured."""

import contextlib
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.fleet import copies, stored
from bench.fleet.asked import Asked
from bench.fleet.driver import Fleet
from bench.fleet.executors import Executor
from bench.fleet.kept import Kept
from bench.fleet.sweeps import Sweep
from bench.fleet.work import Work
from bench.lab.faults import quick_nodes
from bench.machine.environment import code_digest
from tests.support.fleets import VALUES, Watching

SMALL = VALUES | {"batch_sizes": "1,2,3,4,5,6", "threads": "1", "devices": "cpu"}
"""Six cases, as any machine has them."""


QUICK = Sweep(Asked(SMALL))


def quick(folder: Path, line_s: float = 0.02, *, probed: bool = True) -> dict[str, str]:
    """Return the environment in which nodes behave as if they measured `QUICK`."""
    return quick_nodes.environment(folder, QUICK.asked, line_s, probed=probed)


def sit_for_real(
    folder: Path,
    executor: Executor,
    heard: Callable[[], None] = lambda: None,
    said: list[str] | None = None,
    work: Work[Any] | None = None,
) -> Kept[Any]:
    """Let a driver run on real nodes; ``heard`` is called whenever it looks at them."""
    folder.mkdir(parents=True)
    copies.Log.create(folder, {"asked": {}}).close()
    kept = Kept(folder, work or QUICK)

    def wait(_seconds: float) -> None:
        heard()
        threading.Event().wait(0.1)

    fleet = Fleet(
        kept,
        executor,
        code=code_digest(),
        budget_s=300.0,
        node_folder=str(folder / "nodes"),
        say=(said if said is not None else []).append,
        watch=Watching(),
        wait=wait,
    )
    try:
        fleet.run()
    finally:
        kept.close()
        executor.close()
    return kept


@contextlib.contextmanager
def ray_nodes(count: int) -> Iterator[Any]:
    """Provide a head that measures nothing, and nodes that do."""
    pytest.importorskip("ray", reason="an extra: pip install 'panet-bench[ray]'")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    made.measuring = [made.add_node(num_cpus=1, resources={"bench": 1}) for _ in range(count)]
    try:
        yield made
    finally:
        made.shutdown()


def counted(kept: Kept[stored.Part]) -> Counter[int]:
    """Return batch size -> how many shards it counts in, of `SMALL`."""
    parts = [part for of_kind in kept.parts.values() for part in of_kind]
    return Counter(each.batch_size for part in parts for each in part.cases)


class Breaker:
    """Kills the first measurement that it finds, once.

    Args:
        mark: a part of its command line.
    """

    def __init__(self, mark: str = "--only=") -> None:
        self.killed: list[int] = []
        self._mark = mark

    def __call__(self) -> None:
        if self.killed:
            return
        for process in psutil.Process().children(recursive=True):
            try:
                measures = any(self._mark in word for word in process.cmdline())
                if measures and process.status() != psutil.STATUS_ZOMBIE:
                    process.send_signal(signal.SIGKILL)
                    self.killed.append(process.pid)
                    return
            except psutil.Error:
                continue
