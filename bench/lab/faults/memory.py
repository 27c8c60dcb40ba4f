"""Memory that is not there: for a call, for the check of a case, for the command itself."""

import contextlib
import functools
import json
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from bench.lab.faults.attempt import Place, Tried
from bench.lab.faults.networks import measured
from bench.schema.files import COST

NETWORK = '''"""A network that wants more memory than there is, with two images and more."""

import torch
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = nn.Conv2d(3, 4, 3)
        self.calls, self.kept = 0, []

    def forward(self, x):
        self.calls += 1
        if x.shape[0] > 1 and self.calls >= FROM:
            DEED
        return self.part(x)


def make(batch, height, width):
    return Network(), (torch.ones(batch, 3, height, width),)
'''

DEEDS = {
    "Python's": "bytearray(2**45)",
    "torch's": "torch.zeros(2**45)",
    "piece by piece": "\n            while True: self.kept.append(torch.ones(2**22))",
}

FROM = (1, 30)
"""The call that is the first: in the check, or when it is timed."""

GROUP = Path("/sys/fs/cgroup/memory")
"""Control groups of version 1; those of version 2 have other files."""

GROUP_BYTES = 2 * 2**30


def memory(place: Place, random: Random) -> Tried:
    """Measure with one image and with two, and take the memory away in some way."""
    return list(HOWS)[place.number % len(HOWS)](place.folder, random)


def _of_the_arm(folder: Path, random: Random) -> Tried:
    """Ask for more than any machine has."""
    name = random.choice(("Python's", "torch's"))
    since = _write_network(folder, name, random)
    return Tried(f"{name}, from call {since}", _of_two(folder, measured(folder, *TWO)))


def _by_the_kernel(folder: Path, random: Random) -> Tried:
    """Fill a control group: the kernel ends the process that it chooses."""
    since = _write_network(folder, "piece by piece", random)
    with _group(folder.name) as enter:
        if enter is None:
            return Tried("the kernel's, which cannot be provoked here")
        problem = measured(folder, *TWO, beforehand=enter)
    return Tried(f"the kernel's, from call {since}", _of_two(folder, problem))


def _of_the_command(folder: Path, random: Random) -> Tried:
    """Begin with little address space, for the command and all that it starts."""
    _write_network(folder, "Python's", random)
    most = int(2 ** random.uniform(29, 33))  # below it OpenBLAS tries to import itself for ever
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_AS, (most, most))
    problem = measured(folder, *ONE, beforehand=limit)
    return Tried(f"all of it, {most >> 20} MiB", _unless_by_the_loader(problem))


def _of_the_parent(folder: Path, random: Random) -> Tried:
    """Let the command itself have no more than it has at some moment."""
    _write_network(folder, "Python's", random)
    delay_s, more = random.uniform(0.5, 8.0), int(2 ** random.uniform(12, 26))

    def limit(pid: int) -> None:
        time.sleep(delay_s)
        with contextlib.suppress(OSError):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
            most = pages * resource.getpagesize() + more
            resource.prlimit(pid, resource.RLIMIT_AS, (most, most))

    told = f"the command's, {more >> 10} KiB more after {delay_s:.1f} s"
    return Tried(told, _unless_by_the_loader(measured(folder, *ONE, meanwhile=limit)))


def _unless_by_the_loader(problem: str) -> str:
    """Return a problem; none where glibc has ended the process, which it says in a line."""
    return "" if problem == f"exit code 127: {BY_THE_LOADER}" else problem


BY_THE_LOADER = "cannot allocate memory for thread-local data: ABORT"


HOWS: tuple[Callable[[Path, Random], Tried], ...] = (
    *(_of_the_arm, _by_the_kernel, _of_the_command, _of_the_parent),
)

ONE = ("--batch-sizes", "1")
TWO = ("--batch-sizes", "2,1")


def _write_network(folder: Path, name: str, random: Random) -> int:
    since = random.choice(FROM)
    text = NETWORK.replace("FROM", str(since)).replace("DEED", DEEDS[name])
    (folder / "oddnet.py").write_text(text)
    return since


def _of_two(folder: Path, problem: str) -> str:
    """Return what did not hold: the case of two images is ``oom``, and the other is measured."""
    files = sorted(folder.glob(f"runs/*/{COST}"))
    if problem or not files:
        return problem or "no answer was written: the other case was not measured"
    cases = json.loads(files[-1].read_text())["cases"]
    status = {entry["case"]["batch_size"]: entry["status"] for entry in cases}
    if status.get(2) != "oom":
        reason = next((e["reason"] for e in cases if e["case"]["batch_size"] == 2), "none")
        return f"the case without memory is {status.get(2)}: {reason[:200]}"
    if not any(entry["replicates"] for entry in cases if entry["case"]["batch_size"] == 1):
        return f"the other case was not measured: it is {status.get(1)}"
    return ""


@contextlib.contextmanager
def _group(name: str) -> Iterator[Callable[[], object] | None]:
    """Provide what puts a process into a group with little memory; `None` where that cannot be."""
    group = GROUP / f"faults-{os.getpid()}-{name}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(GROUP_BYTES))
    except OSError:
        yield None
        return
    try:
        yield lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    finally:
        for _ in range(50):
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.1)
