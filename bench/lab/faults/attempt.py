"""One fault, tried on code of ours in a forked process that has limits; and what must hold then.

A try costs what it does, and not the second that imports take: the campaign's own process has
imported everything, and what a try still imports, it imports before the next one. So that this
hides nothing, one of many tries is a process that begins from nothing.
"""

import contextlib
import functools
import gc
import importlib
import os
import re
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from bench.machine.environment import ROOT
from bench.schema.errors import BenchError
from bench.schema.text import in_a_line

MOST_CPU_S = 10.0
MOST_BYTES = 2**30
"""What answering a bad file may take, on top of what our modules take."""

MOST_SHARE = 2
"""Seconds of wall time for a second of CPU, where much of it is allowed: others work, too."""

HUNG_S = 120
"""Of wall time, on a machine that does other things as well."""

ADDRESS_SPACE_BYTES = 4 * 2**30
"""On top of what is there already: the machine shall outlive the campaign."""

BAD_INPUT = 2

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

SHOWN = 300
"""Characters of a problem."""


@dataclass(frozen=True)
class Place:
    """Where a fault is tried."""

    folder: Path
    """Empty, and of this fault alone."""
    sample: Path
    """The folder of a small real run, which is only read."""
    number: int = 0
    """Of the fault among those of its kind, for what is tried one after the other."""
    fresh: bool = False
    """Whether a command is to run in a process that begins from nothing."""


@dataclass(frozen=True)
class Tried:
    """A fault, and what did not hold."""

    fault: str
    problem: str = ""


@dataclass(frozen=True)
class Kind:
    """A kind of fault."""

    name: str
    fault: str
    """What is done, for a reader."""
    holds: str
    """What must be true afterwards, for a reader."""
    count: int
    """Of a whole campaign."""
    attempt: Callable[[Place, Random], Tried]
    modules: tuple[str, ...] = ()
    """That an attempt uses, imported once."""
    each: int = 1
    """Faults in an attempt, one after the other."""
    package: str = ""
    """That it needs and we do not."""


@dataclass(frozen=True)
class Outcome:
    """How a forked process ended."""

    exit_code: int
    """Negative: the signal that ended it."""
    said: str
    errors: str
    cpu_s: float
    grown_bytes: int


@dataclass(frozen=True)
class Call:
    """What a forked process does.

    Args:
        work: returns an exit code.
        codes: exit codes that are right.
        lines: lines on the standard error that code 2 comes with; `None`: any number.
    """

    work: Callable[[], int]
    codes: Collection[int] = (0, 1, 2, 3)
    lines: int | None = 1
    most_cpu_s: float = MOST_CPU_S
    python: tuple[str, ...] = ()
    """What Python is called with, to do the same in a process that begins from nothing."""


def command(module: str, *words: str) -> Call:
    """Return the call of one of our commands by its module, which `Kind.modules` has imported."""
    work = functools.partial(_main, module, words)
    return Call(work, python=("-m", module.removesuffix(".__main__"), *words))


def _main(module: str, words: tuple[str, ...]) -> int:
    return int(importlib.import_module(module).main(list(words)))


def problem_of(call: Call, place: Place) -> str:
    """Call in a process of its own; return what did not hold, or nothing.

    Args:
        call: what is done.
        place: of the fault, whose folder keeps what is said.
    """
    return _judge(call, run(call, place))


def run(call: Call, place: Place) -> Outcome:
    """Call in a process of its own: a forked one, or where the place says so a fresh one."""
    return wait(started(call, place), place)


def at_once(calls: Sequence[Call], place: Place) -> list[str]:
    """Call in so many processes at the same time; return what did not hold of each, or nothing."""
    places = [replace(place, folder=place.folder / f"process-{n}") for n in range(len(calls))]
    for each in places:
        each.folder.mkdir()
    pids = [started(call, each) for call, each in zip(calls, places, strict=True)]
    outcomes = [wait(pid, each) for pid, each in zip(pids, places, strict=True)]
    return [_judge(call, outcome) for call, outcome in zip(calls, outcomes, strict=True)]


SAID, ERRORS, RESIDENT = "stdout.txt", "stderr.txt", "bytes.txt"


def started(call: Call, place: Place) -> int:
    """Begin a call in a process of its own; return its id."""
    brought = place.folder / IMPORTED
    brought.unlink(missing_ok=True)
    if place.fresh and call.python:
        call = replace(call, work=functools.partial(_become, call.python))
    sys.stdout.flush()
    sys.stderr.flush()
    for name in (SAID, ERRORS):
        (place.folder / name).write_bytes(b"")
    (place.folder / RESIDENT).write_text("0")
    pid = os.fork()
    if pid == 0:
        # Not the parent's: what it has mapped from files is no memory of the child yet.
        (place.folder / RESIDENT).write_text(f"{_resident_bytes()}")
        _be_the_child(call, place.folder / SAID, place.folder / ERRORS, brought)
    return pid


def wait(pid: int, place: Place) -> Outcome:
    """Wait for a process that `started` has begun."""
    try:
        _, status, usage = os.wait4(pid, 0)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    _import_too(place.folder / IMPORTED)
    return Outcome(
        os.waitstatus_to_exitcode(status),
        (place.folder / SAID).read_text(errors="replace"),
        (place.folder / ERRORS).read_text(errors="replace"),
        usage.ru_utime + usage.ru_stime,
        max(0, usage.ru_maxrss * 1024 - int((place.folder / RESIDENT).read_text() or 0)),
    )


def _become(words: tuple[str, ...]) -> int:
    """Begin from nothing, with the limits that this process has already."""
    os.execv(sys.executable, [sys.executable, *words])  # noqa: S606 - no shell


IMPORTED = "imported.txt"

NOT_TWICE = re.compile(r"(.*\.)?conftest|__main__|.*\.__main__")
"""Modules that do something when they are imported."""


def _import_too(brought: Path) -> None:
    """Import what a try has imported, so that the next ones find it there."""
    with contextlib.suppress(FileNotFoundError):
        names = brought.read_text().splitlines()
        brought.unlink()
        for name in names:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        if names:  # their garbage collector would copy all of it into every try
            gc.collect()
            gc.freeze()


def _new_modules(before: Collection[str]) -> list[str]:
    """Return what was imported of what is installed here, or ours: not what a try has written."""
    homes = (sys.prefix, sys.base_prefix, str(ROOT))
    return [
        name
        for name, module in list(sys.modules.items())
        if name not in before
        and not NOT_TWICE.fullmatch(name)
        and str(getattr(module, "__file__", None) or "").startswith(homes)
    ]


def _be_the_child(call: Call, said: Path, errors: Path, brought: Path) -> None:
    code, before = 70, frozenset(sys.modules)
    try:
        for heard in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(heard, signal.SIG_DFL)
        for descriptor, path in ((1, said), (2, errors)):
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(opened, descriptor)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        signal.alarm(HUNG_S + int(MOST_SHARE * (call.most_cpu_s - MOST_CPU_S)))
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = _address_space_bytes() + ADDRESS_SPACE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        code = call.work()
    except BenchError as error:  # as a command says it
        os.write(2, f"{in_a_line(str(error))}\n".encode(errors="replace"))
        code = BAD_INPUT
    except SystemExit as leaving:  # of argparse
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:  # noqa: BLE001 - whatever it is, it is what the campaign looks for
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        with contextlib.suppress(OSError):
            brought.write_text("\n".join(_new_modules(before)))
        os._exit(code)


def _judge(call: Call, outcome: Outcome) -> str:
    return next(_problems(call, outcome), "")


def _problems(call: Call, outcome: Outcome) -> Iterator[str]:
    code, text = outcome.exit_code, outcome.said + outcome.errors
    lines = outcome.errors.splitlines()
    last = lines[-1][:SHOWN] if lines else ""
    if code < 0:
        how = "hangs" if -code == signal.SIGALRM else f"ended by signal {-code}"
        yield f"{how}: {last}"
    if "Traceback (most recent call last)" in text:
        yield f"traceback, exit code {code}: {_cause(lines)}"
    if code not in call.codes:
        yield f"exit code {code}: {last}"
    if code == BAD_INPUT and call.lines is not None and len(lines) != call.lines:
        yield f"{len(lines)} lines with exit code 2: {last}"
    for found in CONTROLS.findall(text):
        yield f"control character {found!a} in what it says"
    if outcome.cpu_s > call.most_cpu_s:
        yield f"takes {outcome.cpu_s:.0f} s of CPU"
    if outcome.grown_bytes > MOST_BYTES:
        yield f"takes {outcome.grown_bytes / 2**20:.0f} MiB"


def _cause(lines: list[str]) -> str:
    """Return where the last traceback ends: file, line, and the error."""
    frames = [line.strip() for line in lines if line.lstrip().startswith('File "')]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Warning|Exit)\b", line)]
    where = frames[-1] if frames else ""
    ours = [frame for frame in frames if re.search(r"/(bench|reports|panet)/", frame)]
    return f"{errors[-1] if errors else lines[-1]}; {ours[-1] if ours else where}"[:SHOWN]


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _address_space_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
