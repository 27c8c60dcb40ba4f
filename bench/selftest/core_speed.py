"""How evenly do the cores run? A fixed computation, again and again, on one core.

``python -m bench.selftest.core_speed CORE SECONDS`` prints the spread of its speed over windows of
several lengths. No counter of the guest shows a neighbour on the other thread of a physical core,
or a changing clock; the speed of fixed work does.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.machine.environment import ROOT

WINDOWS_S = (0.001, 0.01, 0.1, 1.0)

MATRIX_SIDE = 192
"""Three matrices of this side fit into a second-level cache: the memory has no part in it."""

PROBE_S = 8.0

Spreads = dict[str, float | None]
"""Length of a window in seconds, as text -> standard deviation of the log speed; `None` where the
probe was too short for it."""


def spreads(ends_s: NDArray[np.float64]) -> Spreads:
    """Return the spread of the speed over windows of each length.

    Args:
        ends_s: when each of the equal pieces of work ended.
    """
    return {f"{window_s:g}": _spread(ends_s, window_s) for window_s in WINDOWS_S}


def _spread(ends_s: NDArray[np.float64], window_s: float) -> float | None:
    marks = np.arange(ends_s[0], ends_s[-1], window_s)
    done = np.diff(np.interp(marks, ends_s, np.arange(ends_s.size)))
    return float(np.log(done).std()) if done.size > 3 else None


def probe_cores(seconds: float = PROBE_S) -> list[Spreads]:
    """Probe all usable cores at the same time, each in a process of its own."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    processes = [_start(core, seconds) for core in cores]
    return [json.loads(process.communicate()[0]) for process in processes]


def _start(core: int, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "bench.selftest.core_speed", str(core), str(seconds)]
    # From where our package lies: where the user stands there may be a `bench.py` of his.
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)  # noqa: S603


def _run(core: int, seconds: float) -> NDArray[np.float64]:
    import torch

    os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    matrix = torch.randn(MATRIX_SIDE, MATRIX_SIDE)
    ends_s = [time.perf_counter()]
    while ends_s[-1] - ends_s[0] < seconds:
        matrix @ matrix
        ends_s.append(time.perf_counter())
    return np.asarray(ends_s)


def main(arguments: Sequence[str]) -> None:
    """Probe one core."""
    core, seconds = arguments
    sys.stdout.write(json.dumps(spreads(_run(int(core), float(seconds)))))


if __name__ == "__main__":
    main(sys.argv[1:])
