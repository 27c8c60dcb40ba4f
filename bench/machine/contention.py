"""What else the machine did: foreign CPU time, stolen time, waiting and throttling.

Both judgements, of a call (`Waiting`) and of a replicate (`contended`), look at the machine alone
and never at the timings themselves, which they would otherwise select.
"""

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.machine.gpu import DISTURBANCES, GpuReading
from bench.schema.records import Load

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

CONTENDED_RATIO = 0.05
"""Of the CPU time that was asked for. Over 422 replicates on a shared 2-core machine the ratio lay
2-3 % from the median of its case below it, and 5 % and more above."""


MIN_UNDISTURBED = 3
"""Rounds, below which a replicate is contended: the median of three passes over one."""


@dataclass(frozen=True)
class Reading:
    """Counters at one moment."""

    wall_s: float
    own_cpu_s: float
    busy_s: float | None
    stolen_s: float | None
    waited_s: float | None
    throttled_s: float | None
    involuntary_switches: int | None
    pressure_s: float | None = None
    clock_throttles: int | None = None
    gpu: GpuReading | None = None


class Waiting:
    """How long the threads of this process waited for a CPU, call by call.

    What else runs on a machine comes and goes in seconds, calls last milliseconds: of the rounds of
    a replicate some are disturbed, and the others are as good as on a quiet machine. Beside a
    `grep` that ran two of every three seconds, the cost inside undisturbed calls was that of quiet
    phases of the same process within 0.2 %; over all calls it was up to 1.2 % larger.

    Args:
        tasks: where the kernel tells; `None`: nothing is known, and nobody waited.
    """

    def __init__(self, tasks: Path | None = Path("/proc/self/task")) -> None:
        self._tasks = tasks
        self._files: list[int] = []
        self._last_s = 0.0

    def begin(self) -> None:
        """Look up the threads, which should all be there, and start the first lap."""
        with contextlib.suppress(OSError):
            for path in self._tasks.glob("*/schedstat") if self._tasks else ():
                self._files.append(os.open(path, os.O_RDONLY))
        self._last_s = self._now_s()

    def lap_s(self) -> float:
        """Return what was waited since the last lap, all threads together."""
        now_s = self._now_s()
        waited_s, self._last_s = now_s - self._last_s, now_s
        return waited_s

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            os.close(file)
        self._files.clear()

    def _now_s(self) -> float:
        try:
            return sum(_delay_ns(os.pread(file, 128, 0)) for file in self._files) / 1e9
        except (OSError, IndexError, ValueError):  # a thread has ended
            return self._last_s


def disturbed(
    waited_s: Mapping[str, Sequence[float]], rounds_s: Mapping[str, Sequence[float]], threads: int
) -> list[int]:
    """Return which rounds of a replicate had to wait for a CPU.

    Args:
        waited_s: arm -> what all threads together waited in each call.
        rounds_s: arm -> what the call took.
        threads: of the case.
    """
    waits = [sum(calls) for calls in zip(*waited_s.values(), strict=True)]
    rounds = [sum(calls) for calls in zip(*rounds_s.values(), strict=True)]
    pairs = enumerate(zip(waits, rounds, strict=True))
    return [i for i, (waited, took) in pairs if waited > CONTENDED_RATIO * threads * took]


def read(
    gpu: GpuReading | None = None,
    proc: Path = Path("/proc"),
    cgroup: Path = Path("/sys/fs/cgroup"),
    cpus: Path = Path("/sys/devices/system/cpu"),
) -> Reading:
    """Read the counters of the machine and of this process.

    Args:
        gpu: what the accelerator says of itself at this moment (`bench.machine.gpu`).
        proc: where the kernel tells.
        cgroup: the same, of the control group.
        cpus: the same, of the cores.
    """
    busy_s, stolen_s = _cpu_seconds(proc / "stat")
    return Reading(
        wall_s=time.perf_counter(),
        own_cpu_s=time.process_time(),
        busy_s=busy_s,
        stolen_s=stolen_s,
        waited_s=_waited_s(proc / "self" / "task"),
        throttled_s=_throttled_s(cgroup / "cpu.stat"),
        involuntary_switches=(
            resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw if resource else None
        ),
        pressure_s=_pressure_s(proc / "pressure" / "cpu"),
        clock_throttles=_clock_throttles(cpus),
        gpu=gpu,
    )


def between(start: Reading, end: Reading) -> Load:
    """Return what happened between two readings."""
    own_cpu_s = end.own_cpu_s - start.own_cpu_s
    busy_s = _difference(start.busy_s, end.busy_s)
    switches = _difference(start.involuntary_switches, end.involuntary_switches)
    throttles = _difference(start.clock_throttles, end.clock_throttles)
    return Load(
        wall_s=end.wall_s - start.wall_s,
        own_cpu_s=own_cpu_s,
        # Ticks of 10 ms: a calm replicate may come out a little below zero.
        foreign_cpu_s=None if busy_s is None else max(0.0, busy_s - own_cpu_s),
        stolen_s=_difference(start.stolen_s, end.stolen_s),
        waited_s=_difference(start.waited_s, end.waited_s),
        throttled_s=_difference(start.throttled_s, end.throttled_s),
        involuntary_switches=None if switches is None else int(switches),
        pressure_s=_difference(start.pressure_s, end.pressure_s),
        clock_throttles=None if throttles is None else int(throttles),
        **_of_gpu(start.gpu, end.gpu),
    )


def _of_gpu(start: GpuReading | None, end: GpuReading | None) -> dict[str, Any]:
    """Return what both readings of the accelerator say: values of the end, every throttling."""
    if start is None or end is None:
        return {}
    return {
        "gpu_clock_hz": end.sm_clock_hz,
        "gpu_power_w": end.power_w,
        "gpu_power_limit_w": end.power_limit_w,
        "gpu_temperature_c": end.temperature_c,
        "gpu_throttles": " ".join(dict.fromkeys((*start.throttles, *end.throttles))),
        "gpu_foreign_processes": None if end.others is None else len(end.others),
    }


def contended(load: Load, threads: int, cores: int, undisturbed: int) -> bool:
    """Say whether somebody else took what a replicate needed.

    Where the kernel tells what every call waited, single rounds are left out for that (`disturbed`)
    and not the whole replicate. Elsewhere, or where the threads of the case wait for each other,
    foreign work counts as far as it does not fit beside them.

    Args:
        load: of the machine during the rounds.
        threads: of the case.
        cores: that it may use.
        undisturbed: rounds of the replicate.
    """
    taken_s = max(load.stolen_s or 0.0, load.throttled_s or 0.0)
    hot = bool(load.clock_throttles) or bool(DISTURBANCES & set((load.gpu_throttles or "").split()))
    crowded = not judged_by_call(load, threads, cores) and _crowded(load, threads, cores)
    shared = bool(load.gpu_foreign_processes)
    taken = taken_s > CONTENDED_RATIO * load.wall_s
    return hot or shared or crowded or taken or undisturbed < MIN_UNDISTURBED


def judged_by_call(load: Load, threads: int, cores: int) -> bool:
    """Say whether what a call waited is known, and is because of others."""
    return load.waited_s is not None and threads <= cores


def _crowded(load: Load, threads: int, cores: int) -> bool:
    free_s = max(0, cores - threads) * load.wall_s
    waited_s = max(0.0, (load.foreign_cpu_s or 0.0) - free_s)
    return waited_s > CONTENDED_RATIO * min(threads, cores) * load.wall_s


def _difference(start: float | None, end: float | None) -> float | None:
    """Return by how much a counter has grown.

    What has become less is not known: a core went offline, a thread has ended, the control group
    is another one.
    """
    return None if start is None or end is None or end < start else end - start


def _cpu_seconds(stat: Path) -> tuple[float | None, float | None]:
    """Return seconds since boot: busy, of all cores, and stolen, per core (proc(5), /proc/stat)."""
    try:
        total, *cores = (x for x in stat.read_text().splitlines() if x.startswith("cpu"))
        user, nice, system, _, _, irq, softirq, steal = (int(x) for x in total.split()[1:9])
    except (OSError, ValueError):
        return None, None
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    busy_s = (user + nice + system + irq + softirq) / ticks_per_s
    return busy_s, steal / ticks_per_s / max(1, len(cores))


def _waited_s(tasks: Path) -> float | None:
    """Return how long the threads of this process, together, were runnable and had no CPU.

    It is the second field of ``schedstat`` (kernel, Documentation/scheduler/sched-stats).
    """
    try:
        files = list(tasks.glob("*/schedstat"))
        return sum(_delay_ns(file.read_bytes()) for file in files) / 1e9 if files else None
    except (OSError, IndexError, ValueError):
        return None


def _delay_ns(schedstat: bytes) -> int:
    return int(schedstat.split()[1])


def _pressure_s(pressure: Path) -> float | None:
    """Return how long some thread waited for a CPU since boot (kernel, accounting/psi.rst)."""
    try:
        some = pressure.read_text().split("\n", 1)[0]
        return int(some.rsplit("total=", 1)[1]) / 1e6
    except (OSError, IndexError, ValueError):
        return None


def _clock_throttles(cpus: Path) -> int | None:
    """Return how often cores were throttled for heat; a virtual machine is not told."""
    try:
        files = list(cpus.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))
        return sum(int(file.read_text()) for file in files) if files else None
    except (OSError, ValueError):
        return None


def _throttled_s(stat: Path) -> float | None:
    try:
        lines = dict(line.split() for line in stat.read_text().splitlines())
        return int(lines["throttled_usec"]) / 1e6
    except (OSError, ValueError, KeyError):
        return None
