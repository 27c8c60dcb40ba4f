"""A small real run that is killed, stopped, or has no room; and how it goes on."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil

from bench.lab.faults.attempt import Place, Tried
from bench.lab.faults.networks import left_behind
from bench.machine.environment import ROOT
from bench.schema import journal
from bench.schema.errors import BenchError
from bench.schema.files import JOURNAL, RESULTS
from bench.schema.records import undisturbed

SMALL = (
    *("--preset", "smoke", "--scopes", "neck", "--channels-last", "off", "--passes", "inference"),
    *("--resolutions", "32", "--batch-sizes", "1", "--threads", "1", "--devices", "cpu"),
    *("--half-width", "1%", "-p", "no:cacheprovider"),
)

SHORT = ("-p", "tests.support.short")
"""The same processes with the fewest imports, rounds and replicates."""

WHILE_KILLED, AFTERWARDS = ("--budget", "5s"), ("--budget", "2s")

EACH = 4
"""Times that a run is killed and gone on with before it may end: most of a try are its imports."""

START_S, LINE_S = 6.0, 0.4
"""About what a run takes until its journal begins, and between two lines of it at most."""

CUT_SHARE = 0.3
"""Of kills: a line of the journal that was only half written."""

MOST_S = 120.0

PASSED, FAILED, INTERNAL, USAGE, NOTHING = 0, 1, 3, 4, 5
"""Exit codes of pytest."""

GONE_S = 10.0
"""In which what belonged to a run must be gone."""


@dataclass(frozen=True)
class Ended:
    """A run of ``pytest bench`` that is over."""

    exit_code: int | None
    """`None`: it did not end by itself."""
    said: str

    @property
    def problem(self) -> str:
        """What no run may say, whatever happened to it."""
        last = self.said.strip().splitlines()[-1][:200] if self.said.strip() else ""
        if self.exit_code is None:
            return f"no end after {MOST_S:.0f} s: {last}"
        if self.exit_code < 0:  # Python itself was stopped, before it had loaded our code
            return ""
        if "Traceback (most recent call last)" in self.said or "INTERNALERROR" in self.said:
            return f"traceback, exit code {self.exit_code}: {last}"
        return ""


def sample(folder: Path) -> Path:
    """Return the folder of a small real run with everything that a run can have.

    Raises:
        BenchError: it cannot be measured.
    """
    runs = folder / "sample"
    if not list(runs.glob(f"*-*/{RESULTS}")):
        whole = ("--half-width", "90%", "--budget", "15s")
        with started(folder, runs, *whole, "--traces", "--parts") as run:
            ended = wait(run, folder)
        if not list(runs.glob(f"*-*/{RESULTS}")):
            raise BenchError(f"the sample cannot be measured: {ended.said[-300:]}")
    return next(path.parent for path in sorted(runs.glob(f"*-*/{RESULTS}")))


def kills(place: Place, random: Random) -> Tried:
    """Kill a run, or something of it, several times at random moments, and let it go on."""
    return _stopped(place, random, KILLS)


def signals(place: Place, random: Random) -> Tried:
    """The same with signals that ask it to stop."""
    return _stopped(place, random, SIGNALS)


def _stopped(place: Place, random: Random, victims: "Mapping[str, Victim]") -> Tried:
    told: list[str] = []
    try:
        problem = _stop_and_go_on(place.folder, random, victims, told)
    except BenchError as error:  # a journal that is damaged
        problem = str(error)
    return Tried("; ".join(told), problem)


def _stop_and_go_on(
    folder: Path, random: Random, victims: "Mapping[str, Victim]", told: list[str]
) -> str:
    runs = folder / "runs"
    for _ in range(EACH):
        name, lines = random.choice(list(victims)), random.choice((0, 1, 2, 3, 4, 6, 8))
        delay_s = random.uniform(0, LINE_S if lines else START_S)
        told.append(f"{name} {delay_s:.2f} s behind line {lines}")
        before = _intact(runs)
        with started(folder, runs, *SHORT, *WHILE_KILLED, *_resumed(runs, before)) as run:
            _wait_for_lines(run, runs, lines)
            sleep_while(run, delay_s)
            right = victims[name](run)
            ended = wait(run, folder)
            problem = ended.problem or _unlike(ended, right) or left(folder)
        if problem or (problem := _changed(runs, before)):
            return problem
        if name.startswith("SIGKILL of the run") and random.random() < CUT_SHARE:
            told.append(cut_last_line(_journal(runs), random))
    return goes_on(folder, runs)


def _resumed(runs: Path, intact: bytes) -> tuple[str, ...]:
    """Return the options that go on with a run, if there is one to go on with."""
    return ("--resume", _journal(runs).parent.name) if intact else ()


def _journal(runs: Path) -> Path:
    return next(iter(sorted(runs.glob(f"*-*/{JOURNAL}"), reverse=True)), runs / JOURNAL)


def _intact(runs: Path) -> bytes:
    """Return the whole lines of the newest journal.

    Raises:
        BenchError: one of them is damaged.
    """
    path = _journal(runs)
    if b"\n" not in (path.read_bytes() if path.exists() else b""):
        return b""
    return path.read_bytes()[: journal.read(path.parent).intact_bytes]


def _changed(runs: Path, before: bytes) -> str:
    same = not before or _intact(runs).startswith(before)
    return "" if same else "what was in the journal is another now"


def cut_last_line(path: Path, random: Random) -> str:
    """Leave a part of the last line of a journal, as a kill in the middle of a write does."""
    content = path.read_bytes() if path.exists() else b""
    start = content[:-1].rfind(b"\n") + 1
    if not start:  # the first line says what the run is
        return "nothing cut"
    kept = random.randrange(start, len(content))
    os.truncate(path, kept)
    return f"the last line cut to {kept - start} bytes"


def _wait_for_lines(run: subprocess.Popen[bytes], runs: Path, lines: int) -> None:
    """Wait until a run has written so many further lines, or is over."""
    end_s = time.monotonic() + MOST_S
    first = _lines(runs)
    while run.poll() is None and _lines(runs) - first < lines and time.monotonic() < end_s:
        time.sleep(0.03)


def _lines(runs: Path) -> int:
    path = _journal(runs)
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _kill_run(run: subprocess.Popen[bytes]) -> tuple[int, ...]:
    run.kill()
    return (-signal.SIGKILL, PASSED, NOTHING)  # it may be over already


def _signal(*numbers: signal.Signals) -> "Victim":
    def send(run: subprocess.Popen[bytes]) -> tuple[int, ...]:
        for number in numbers:
            run.send_signal(number)
            time.sleep(0.1)
        # Python ends it where our code is not loaded yet; or it was over already.
        own = {128 + number for number in numbers}
        return (*own, *(-number for number in numbers), PASSED, NOTHING, 2)

    return send


def _kill_child(depth: int) -> "Victim":
    def kill(run: subprocess.Popen[bytes]) -> tuple[int, ...]:
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(run.pid).children()
            if depth == 2:
                children = [inner for child in children for inner in child.children()]
            for child in children[:1]:
                child.kill()
        return (PASSED, FAILED, USAGE, NOTHING)

    return kill


Victim = Callable[[subprocess.Popen[bytes]], tuple[int, ...]]
"""Stops something of a run; returns the exit codes that are right then."""

KILLS: dict[str, Victim] = {
    "SIGKILL of the run": _kill_run,
    "SIGKILL of the run again": _kill_run,
    "SIGKILL of the run once more": _kill_run,
    "SIGKILL of a worker": _kill_child(2),
    "SIGKILL of a server": _kill_child(1),
    "SIGHUP": _signal(signal.SIGHUP),
}

SIGNALS: dict[str, Victim] = {
    "SIGINT": _signal(signal.SIGINT),
    "SIGINT twice": _signal(signal.SIGINT, signal.SIGINT),
    "SIGTERM": _signal(signal.SIGTERM),
    "SIGINT and SIGTERM": _signal(signal.SIGINT, signal.SIGTERM),
}


def _unlike(ended: Ended, right: tuple[int, ...]) -> str:
    if ended.exit_code not in right:
        return f"exit code {ended.exit_code}, not of {right}: {ended.said[-200:]}"
    heard = ended.exit_code is not None and ended.exit_code > 128
    if heard and "stopped; " not in ended.said:
        return f"does not say how to go on: {ended.said[-200:]}"
    return ""


def goes_on(folder: Path, runs: Path) -> str:
    """Go on with a run, and compare its journals; return what does not hold."""
    intact = _intact(runs)
    if not intact:
        return ""
    path = _journal(runs)
    resume = ("--resume", path.parent.name)
    with started(folder, runs, *SHORT, *AFTERWARDS, *resume) as run:
        ended = wait(run, folder)
        problem = ended.problem or left(folder)
    if problem or ended.exit_code not in (PASSED, NOTHING):
        return problem or f"--resume: exit code {ended.exit_code}: {ended.said[-200:]}"
    return _changed(runs, intact) or _unlike_journal(path.parent)


def _unlike_journal(run: Path) -> str:
    """Return where the results are not those of the journal."""
    entries = journal.read(run)
    for case_id, replicates in entries.replicates.items():
        if [replicate.index for replicate in replicates] != list(range(len(replicates))):
            return f"{case_id}: replicates {[replicate.index for replicate in replicates]}"
    document = json.loads((run / RESULTS).read_text())
    for entry in document["benchmarks"]:
        about = entry["extra_info"]
        replicates = entries.replicates[about["case_id"]]
        used = replicates if about["status"] == "contended" else undisturbed(replicates)
        rounds = [x for replicate in used for x in replicate.rounds_s[about["arm"]]]
        if entry["stats"]["data"] != rounds:
            return f"{about['case_id']}: the results have other rounds than the journal"
    return ""


@contextlib.contextmanager
def started(folder: Path, runs: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Provide a run that has begun; nothing of it is left behind.

    Args:
        folder: of the try, by which the processes of the run are known.
        runs: where the run is kept.
        more: options.
    """
    command = [sys.executable, "-m", "pytest", "bench", *SMALL, "--run-dir", str(runs), *more]
    environment = os.environ | {"FAULTS": str(folder), "PYTHONPATH": str(ROOT)}
    with (
        (folder / "said.txt").open("wb") as said,
        subprocess.Popen(  # noqa: S603 - our own
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment
        ) as run,
    ):
        try:
            yield run
        finally:
            run.kill()
            left_behind(folder)


def wait(run: subprocess.Popen[bytes], folder: Path) -> Ended:
    """Wait until a run is over."""
    code = None
    with contextlib.suppress(subprocess.TimeoutExpired):
        code = run.wait(MOST_S)
    return Ended(code, (folder / "said.txt").read_text(errors="replace"))


def sleep_while(run: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait so long, or until a run is over."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.wait(seconds)


def left(folder: Path) -> str:
    """Return what is still there of a run that is over; what is ending has time to."""
    end_s = time.monotonic() + GONE_S
    while time.monotonic() < end_s:
        there = [p for p in psutil.process_iter() if _belongs(p, folder)]
        if not there:
            return ""
        psutil.wait_procs(there, timeout=1.0)
    return left_behind(folder)


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        return bool(process.environ().get("FAULTS") == str(folder))
    except psutil.Error:
        return False
