"""What could make the machine calmer, in plain words, before a run starts."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil
from rich.console import Console

from bench.machine.contention import read
from bench.machine.environment import governor, usable_cores
from bench.schema.text import percent

LOOK_S = 0.5
"""Long enough for counters of 10 ms ticks to tell 100 % from 50 %."""

BUSY_RATIO = 0.5
"""Of a core: what another process takes from then on is not a housekeeping job."""

STOLEN_RATIO = 0.03

MIN_FREE_BYTES = 2 * 2**30
"""A worker, its server and the page cache; below, the kernel begins to swap or to kill."""


@dataclass(frozen=True)
class Machine:
    """What the machine was doing for a moment."""

    busy: tuple[tuple[str, float], ...]
    """Processes of others, and the share of a core that each took."""
    stolen_ratio: float | None
    free_bytes: int
    cores: int
    governor: str | None


def look(cores: int, governor: str | None, wait: Callable[[float], None] = time.sleep) -> Machine:
    """Watch the machine for half a second."""
    own = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    before, counters = _cpu_s(own), read()
    wait(LOOK_S)
    after, later = _cpu_s(own), read()
    elapsed_s = max(1e-9, later.wall_s - counters.wall_s)
    shares = (
        (name, (cpu_s - before[pid][1]) / elapsed_s)
        for pid, (name, cpu_s) in after.items()
        if pid in before
    )
    stolen = None
    if counters.stolen_s is not None and later.stolen_s is not None:
        stolen = (later.stolen_s - counters.stolen_s) / elapsed_s
    return Machine(
        tuple((name, share) for name, share in shares if share >= BUSY_RATIO),
        stolen,
        psutil.virtual_memory().available,
        cores,
        governor,
    )


def hints(machine: Machine, threads: int) -> list[str]:
    """Return a sentence for everything that could be calmer.

    Args:
        machine: as it was just now.
        threads: the most that a case uses.
    """
    return list(_hints(machine, threads))


def give(threads: int, console: Console) -> list[str]:
    """Look at the machine, print what could be calmer, and return it.

    Args:
        threads: the most that a case uses.
        console: gets a line for each.
    """
    found = hints(look(usable_cores(), governor()), threads)
    for hint in found:
        console.print(f"hint: {hint}", style="yellow", highlight=False, markup=False)
    return found


def _hints(machine: Machine, threads: int) -> Iterator[str]:
    for name, share in machine.busy:
        yield f"{name} takes {percent(share, 0)} of a core: stop it, or expect wide intervals"
    if machine.stolen_ratio is not None and machine.stolen_ratio > STOLEN_RATIO:
        yield (
            f"the hypervisor gives {percent(machine.stolen_ratio, 0)} of the time to other "
            "machines: another hour may be calmer"
        )
    if threads > machine.cores:
        yield (
            f"{threads} threads on {machine.cores} usable cores wait for each other: "
            f"--threads {machine.cores}"
        )
    elif machine.busy and threads == machine.cores > 1:
        yield f"a case with --threads {machine.cores - 1} leaves a core to the others"
    if machine.free_bytes < MIN_FREE_BYTES:
        yield f"only {machine.free_bytes / 2**30:.1f} GiB of memory are free"
    if machine.governor not in (None, "performance"):
        yield f"the CPU governor is {machine.governor}: performance keeps the clock steady"


def _cpu_s(own: set[int]) -> dict[int, tuple[str, float]]:
    """Return the CPU seconds of every process that is not ours."""
    found = {}
    for process in psutil.process_iter(["name", "cpu_times"]):
        times = process.info["cpu_times"]
        if times is not None and process.pid not in own:
            found[process.pid] = (str(process.info["name"]), times.user + times.system)
    return found
