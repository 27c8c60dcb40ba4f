"""One fault, tried on code of ours in a forked process that has limits; and what must hold then."""

import contextlib
import importlib
import os
import re
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench.schema.errors import BenchError
from bench.schema.text import in_a_line

MOST_CPU_S = 10.0
MOST_BYTES = 2**30
"""What answering a bad file may take, on top of what our modules take."""

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
    limits: Mapping[int, int] = field(default_factory=dict)
    """Further ones, by the numbers of `resource`."""


def command(module: str, *words: str, **settings: object) -> Call:
    """Return the call of one of our commands by its module, which `Kind.modules` has imported."""

    def work() -> int:
        return int(importlib.import_module(module).main(list(words)))

    return Call(work, **settings)  # type: ignore[arg-type]  # its own fields


def problem_of(call: Call, folder: Path) -> str:
    """Call in a forked process; return what did not hold, or nothing.

    Args:
        call: what is done.
        folder: keeps what it says.
    """
    return _judge(call, run(call, folder))


def run(call: Call, folder: Path) -> Outcome:
    """Call in a forked process."""
    said, errors, resident = (folder / name for name in ("stdout.txt", "stderr.txt", "bytes.txt"))
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        # Not the parent's: what it has mapped from files is no memory of the child yet.
        resident.write_text(f"{_resident_bytes()}")
        _be_the_child(call, said, errors)
    try:
        _, status, usage = os.wait4(pid, 0)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    return Outcome(
        os.waitstatus_to_exitcode(status),
        said.read_text(errors="replace"),
        errors.read_text(errors="replace"),
        usage.ru_utime + usage.ru_stime,
        max(0, usage.ru_maxrss * 1024 - int(resident.read_text())),
    )


def _be_the_child(call: Call, said: Path, errors: Path) -> None:
    code = 70
    try:
        for heard in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(heard, signal.SIG_DFL)
        for descriptor, path in ((1, said), (2, errors)):
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(opened, descriptor)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        signal.alarm(HUNG_S)
        _limit(resource.RLIMIT_AS, _address_space_bytes() + ADDRESS_SPACE_BYTES)
        for number, most in call.limits.items():
            _limit(number, most)
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
        os._exit(code)


def _limit(number: int, most: int) -> None:
    _, hard = resource.getrlimit(number)
    resource.setrlimit(number, (most, hard))


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
    if outcome.cpu_s > MOST_CPU_S:
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
