"""How nodes are reached: one interface, and one table.

An executor knows names of nodes and starts requests on them (`bench.fleet.node`); it places, and
decides nothing. Third parties are imported by the one file that needs them, when it is needed.
"""

import importlib.util
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.fleet.node import Message
from bench.schema.errors import BenchError
from panet.errors import did_you_mean


class Handle(Protocol):
    """A request on its way."""

    def messages(self) -> Sequence[Message]:
        """Return what came since the last call; never waits."""

    def over(self) -> str | None:
        """Return why nothing more can come, as a node that is lost; `None` while it can.

        Asked after `messages`, so that nothing is missed.
        """

    def stop(self) -> None:
        """Let it end, journal and all; does not wait for that."""


class Executor(Protocol):
    """What reaches nodes."""

    patience_s: float
    """For a node to say what it is; where requests wait in queues, for ever."""

    def nodes(self) -> Sequence[str]:
        """Return the names of those that can be used now; others may come later."""

    def start(self, node: str, request: Message) -> Handle:
        """Start a request; raise `BenchError` where the node cannot be reached."""

    def close(self) -> None:
        """Let go of whatever connects."""


@dataclass(frozen=True)
class Entry:
    """What an executor is called with, and where it is."""

    made_by: str
    """A function of a module, which is given the hosts and the folder of the fleet."""
    hosts: str
    """What ``--hosts`` means to it."""
    package: str = ""
    """That it needs and we do not."""
    extra: str = ""
    """With that package."""
    needs_hosts: bool = False
    apart: bool = False
    """Whether two names of one machine would measure beside each other, by mistake."""


EXECUTORS = {
    "local": Entry("bench.fleet.processes:local", "names for nodes here, to rehearse"),
    "ssh": Entry(
        "bench.fleet.processes:ssh", "[user@]host[:folder], ...", needs_hosts=True, apart=True
    ),
    "slurm": Entry(
        "bench.fleet.slurm_jobs:slurm", "partition:jobs, ...", "submitit", "slurm", needs_hosts=True
    ),
    "ray": Entry("bench.fleet.ray_tasks:cluster", "the cluster's address", "ray", "ray"),
}

HELP = f"measure on several machines: {', '.join(EXECUTORS)}"

HOSTS_HELP = "; ".join(f"{name}: {entry.hosts}" for name, entry in EXECUTORS.items())


def hosts_alone() -> BenchError:
    """Return what is wrong with hosts that nothing reaches."""
    return BenchError(f"--hosts: say how they are reached with --executor ({', '.join(EXECUTORS)})")


def check(name: str, hosts: str | None) -> tuple[str, ...]:
    """Return the hosts of a list; raise `BenchError` for an executor that cannot be."""
    if name not in EXECUTORS:
        hint = did_you_mean(name, EXECUTORS, f"choose from {', '.join(EXECUTORS)}")
        raise BenchError(f"--executor {name!r}: {hint}")
    entry = EXECUTORS[name]
    named = tuple(dict.fromkeys(host.strip() for host in (hosts or "").split(",") if host.strip()))
    if entry.needs_hosts and not named:
        raise BenchError(f"--executor {name}: say where with --hosts, {entry.hosts}")
    for host in named:
        if host.startswith(("-", ":")):  # ssh would take it for an option
            raise BenchError(f"--hosts {host!r}: no name of a host; give {entry.hosts}")
    if entry.package and importlib.util.find_spec(entry.package) is None:
        raise BenchError(
            f"--executor {name} needs {entry.package}: pip install 'panet-bench[{entry.extra}]'"
        )
    return named


def open_executor(name: str, hosts: Sequence[str], folder: Path) -> Executor:
    """Return an executor.

    Args:
        name: of the table.
        hosts: of `check`.
        folder: of the fleet, for what it has to write.

    Raises:
        BenchError: it cannot connect.
    """
    made: Executor = pkgutil.resolve_name(EXECUTORS[name].made_by)(hosts, folder)
    return made
